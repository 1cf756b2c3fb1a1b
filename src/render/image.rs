//! The image as the graphics card needs it.

use std::sync::Arc;

use super::mips::{MipChain, prepare_mips};
use crate::study::Study;

/// An image ready to be shown; cheap to clone. Its textures live as long as a clone of it.
#[derive(Clone, Debug)]
pub struct ImageHandle(Arc<ImageData>);

#[derive(Debug)]
struct ImageData {
    study: Arc<Study>,
    mips: MipChain,
}

/// Makes `study` ready to be shown. Takes a while for a large image: not for the UI thread.
pub fn prepare(study: Arc<Study>) -> ImageHandle {
    let mips = prepare_mips(&study.image, &study.grayscale);
    ImageHandle(Arc::new(ImageData { study, mips }))
}

impl ImageHandle {
    pub fn study(&self) -> &Arc<Study> {
        &self.0.study
    }

    pub fn mips(&self) -> &MipChain {
        &self.0.mips
    }
}
