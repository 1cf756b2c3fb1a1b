//! The bytes of an untrusted file, read forward in small pieces, so that no claim of the file decides how much memory is used.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use flate2::bufread::DeflateDecoder;

use crate::study::OpenError;
use crate::study::limits::MAX_PIXELS;

/// A deflated data set may grow to the largest image and its attributes.
const MAX_INFLATED: u64 = 2 * MAX_PIXELS as u64 + (64 << 20);
/// Deflate cannot do better than 1032:1.
const DEFLATE_RATIO: u64 = 1032;

/// A file, or a deflated data set in it, with a position and an end that no element may pass.
pub struct Source {
    input: Input,
    position: u64,
    end: u64,
}

enum Input {
    File(BufReader<File>),
    Deflated(Box<DeflateDecoder<BufReader<File>>>),
}

impl Source {
    pub fn new(file: File) -> io::Result<Self> {
        let end = file.metadata()?.len();
        Ok(Self { input: Input::File(BufReader::with_capacity(1 << 16, file)), position: 0, end })
    }

    /// The rest of the file as a deflated data set.
    pub fn inflate(self) -> Self {
        match self.input {
            Input::File(file) => {
                let end = self.position + ((self.end - self.position).saturating_mul(DEFLATE_RATIO)).min(MAX_INFLATED);
                Self { input: Input::Deflated(Box::new(DeflateDecoder::new(file))), position: self.position, end }
            }
            Input::Deflated(_) => self,
        }
    }

    pub fn position(&self) -> u64 {
        self.position
    }

    /// Where the file ends at the latest.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Goes to `position` of the file, before anything is inflated.
    pub fn seek(&mut self, position: u64) -> Result<(), OpenError> {
        if let Input::File(file) = &mut self.input {
            file.seek(SeekFrom::Start(position)).map_err(unreadable)?;
            self.position = position;
        }
        Ok(())
    }

    /// Fills as much of `buffer` as there is; the number of bytes filled.
    pub fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, OpenError> {
        let mut filled = 0;
        while filled < buffer.len() {
            let rest = &mut buffer[filled..];
            let read = match &mut self.input {
                Input::File(file) => file.read(rest),
                Input::Deflated(inflater) => inflater.read(rest),
            };
            match read {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
        self.position += filled as u64;
        if self.position > self.end {
            return Err(OpenError::damaged("it inflates to more than any mammogram needs"));
        }
        Ok(filled)
    }

    /// Fills the whole of `buffer`.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<(), OpenError> {
        let wanted = buffer.len();
        if self.read_some(buffer)? < wanted { Err(OpenError::truncated()) } else { Ok(()) }
    }

    /// The file itself from here on, for reading `count` bytes of it, which must be there, at several places at once; `None`
    /// where it can only be read in order.
    pub fn file_from_here(&self, count: u64) -> Result<Option<FilePart<'_>>, OpenError> {
        if count > self.end.saturating_sub(self.position) {
            return Err(OpenError::truncated());
        }
        Ok(match &self.input {
            Input::File(file) if cfg!(unix) => Some(FilePart { file: file.get_ref(), start: self.position }),
            _ => None,
        })
    }

    /// Passes over `count` bytes, which must be there.
    pub fn skip(&mut self, count: u64) -> Result<(), OpenError> {
        if count > self.end.saturating_sub(self.position) {
            return Err(OpenError::truncated());
        }
        match &mut self.input {
            Input::File(file) => {
                // The check against `end` keeps this far below i64::MAX.
                file.seek_relative(i64::try_from(count).unwrap_or(i64::MAX)).map_err(unreadable)?;
            }
            Input::Deflated(inflater) => {
                let passed = io::copy(&mut inflater.by_ref().take(count), &mut io::sink()).map_err(unreadable)?;
                if passed < count {
                    return Err(OpenError::truncated());
                }
            }
        }
        self.position += count;
        Ok(())
    }

    /// Whether nothing is left.
    pub fn at_end(&mut self) -> Result<bool, OpenError> {
        match &mut self.input {
            Input::File(file) => file.fill_buf().map(<[u8]>::is_empty).map_err(unreadable),
            Input::Deflated(_) => Ok(self.position >= self.end),
        }
    }
}

/// A file, read at places counted from `start`.
pub struct FilePart<'a> {
    file: &'a File,
    start: u64,
}

impl FilePart<'_> {
    /// Fills the whole of `buffer` from `offset` on.
    #[cfg(unix)]
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), OpenError> {
        std::os::unix::fs::FileExt::read_exact_at(self.file, buffer, self.start + offset).map_err(unreadable)
    }

    #[cfg(not(unix))]
    pub fn read(&self, _: u64, _: &mut [u8]) -> Result<(), OpenError> {
        Err(unreadable(io::ErrorKind::Unsupported.into()))
    }
}

fn unreadable(error: io::Error) -> OpenError {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            OpenError::damaged("its deflated part cannot be inflated")
        }
        io::ErrorKind::UnexpectedEof => OpenError::truncated(),
        _ => OpenError::new("The file cannot be read. Check the disk or the network connection and try again."),
    }
}
