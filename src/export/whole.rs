//! Files that appear whole or not at all: written under a temporary name in the same folder, synced, then renamed.

use std::fs::File;
use std::io::{BufWriter, Error, ErrorKind, Write};
use std::path::Path;

use super::ExportError;

/// Writes `path` through `write`; on any trouble nothing is left behind and what was there before stays.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return Err(ExportError("No file name was given to write to.".into())),
    };
    if path.is_dir() {
        return Err(ExportError("A folder has this name already: choose another name.".into()));
    }
    let temporary = builder().tempfile_in(folder)?;
    let mut buffered = BufWriter::with_capacity(1 << 20, temporary.as_file());
    write(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|e| e.error)?;
    // The rename is durable once the folder is synced; where folders cannot be opened, the file itself is safe already.
    if let Ok(folder) = File::open(folder) {
        folder.sync_all().ok();
    }
    Ok(())
}

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".mammoscope-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file: the umask takes away what the user wants taken away.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}

impl From<Error> for ExportError {
    fn from(error: Error) -> Self {
        let text = match error.kind() {
            ErrorKind::NotFound => "The folder to write into does not exist: create it or choose another.".into(),
            ErrorKind::NotADirectory => "The place to write into is not a folder: choose another.".into(),
            ErrorKind::PermissionDenied => "This folder may not be written to: choose another.".into(),
            ErrorKind::ReadOnlyFilesystem => "This disk is read-only: choose another place.".into(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "The disk is full: free some space or choose another place.".into()
            }
            ErrorKind::InvalidFilename => "This file name is not allowed here: choose another.".into(),
            kind => format!("The file could not be written ({kind}): try again or choose another place."),
        };
        Self(text)
    }
}
