//! The IO thread: opens, lists, reads groundtruth and exports, in order.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use crossbeam_channel::Receiver;

use super::failure::{Failure, guard};
use super::{FileJob, ImageId, Order, Reply, Update, priority};
use crate::annotation::{self, GroundTruth};
use crate::export::{ExportError, write_whole};
use crate::render::{self, ImageHandle};
use crate::study::{self, Study};

/// Serves orders until the sender is gone.
pub fn run(orders: &Receiver<Order<FileJob>>, reply: &Reply) {
    let pool = priority::io_pool();
    for order in orders {
        match &pool {
            Some(pool) => pool.install(|| serve(order, reply)),
            None => serve(order, reply),
        }
    }
}

fn serve(order: Order<FileJob>, reply: &Reply) {
    // What is to be written is never skipped: who asked for a file gets it.
    let writes = matches!(order.job, FileJob::Export { .. } | FileJob::SaveSettings { .. });
    if order.cancel.is_set() && !writes {
        return;
    }
    let id = order.id;
    let done = match order.job {
        FileJob::Open { image, path } => guard("Opening the file", || open(&path)).map(|handle| {
            let study = handle.study().clone();
            reply.say(Update::Opened { id, image, handle });
            truth_beside(image, &study, reply);
        }),
        FileJob::List { paths } => guard("Listing the files", || Ok(study::list_inputs(&paths))).map(|files| {
            reply.say(Update::Listed { id, files });
        }),
        FileJob::ReadTruth { image, path, study } => {
            match guard("Reading the groundtruth", || read_truth(&path, &study)) {
                Ok(truth) => reply.say(Update::Truth { image, truth }),
                Err(Failure::Message(message)) => reply.say(Update::TruthFailed { image, message }),
                Err(Failure::Cancelled) => true,
            };
            Ok(())
        }
        FileJob::Export { session, view, exporter, path } => {
            guard("The export", || Ok(exporter.write(&session, &view, &path)?)).map(|()| {
                reply.say(Update::Exported { id, path });
            })
        }
        FileJob::SaveSettings { path, text } => guard("Saving the settings", || save(&path, &text)),
    };
    if let Err(Failure::Message(message)) = done {
        reply.say(Update::Failed { id, message });
    }
}

fn open(path: &Path) -> anyhow::Result<ImageHandle> {
    Ok(render::prepare(Arc::new(study::open(path)?)))
}

/// Groundtruth that lies beside the image; trouble with it is said, and the image stays open.
fn truth_beside(image: ImageId, study: &Study, reply: &Reply) {
    let found = guard("Looking for groundtruth", || {
        annotation::find_beside(&study.path).map(|path| read_truth(&path, study)).transpose()
    });
    match found {
        Ok(Some(truth)) => {
            reply.say(Update::Truth { image, truth });
        }
        Ok(None) | Err(Failure::Cancelled) => {}
        Err(Failure::Message(message)) => {
            let message = format!("The groundtruth that lies beside the image cannot be used. {message}");
            reply.say(Update::TruthFailed { image, message });
        }
    }
}

fn read_truth(path: &Path, study: &Study) -> anyhow::Result<Arc<GroundTruth>> {
    let (width, height) = (study.image.width(), study.image.height());
    Ok(Arc::new(annotation::read(path, &study.stem(), width, height)?))
}

fn save(path: &Path, text: &str) -> anyhow::Result<()> {
    let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(ExportError::from);
    written
        .and_then(|()| write_whole(path, |file| Ok(file.write_all(text.as_bytes())?)))
        .map_err(|error| anyhow::anyhow!("The settings could not be saved. {error}"))
}
