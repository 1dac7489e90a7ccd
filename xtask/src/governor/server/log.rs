//! Where events go: to our starter, and to a file.

use std::fs::{File, OpenOptions};
use std::io::{Stdout, Write as _};
use std::path::Path;

use crate::events::Event;

#[derive(Debug)]
pub(super) struct Log {
    starter: Option<Stdout>,
    file: Option<File>,
    samples: u32,
}

/// Of the samples, one in so many goes to the file: five a second draw a smooth line.
const SAMPLES_IN_FILE: u32 = 2;

impl Log {
    pub(super) fn open(path: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(path).ok();
        Log { starter: Some(std::io::stdout()), file, samples: 0 }
    }

    /// A full disk, or a starter that has gone, is no reason to stop governing.
    pub(super) fn write(&mut self, event: &Event, at_s: f64) {
        let line = event.to_line(at_s) + "\n";
        if let Some(starter) = &mut self.starter
            && starter.write_all(line.as_bytes()).and_then(|()| starter.flush()).is_err()
        {
            self.starter = None;
        }
        if matches!(event, Event::Sample(_)) {
            self.samples += 1;
            if !self.samples.is_multiple_of(SAMPLES_IN_FILE) {
                return;
            }
        }
        if let Some(file) = &mut self.file
            && file.write_all(line.as_bytes()).is_err()
        {
            self.file = None;
            self.write(&Event::Note { text: "events cannot be written any more; is the disk full?".into() }, at_s);
        }
    }
}
