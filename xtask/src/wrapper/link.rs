//! The way to the governor, and what is done without one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Orders;
use super::run::Interruption;
use crate::env;
use crate::governor::frame::{FromWrapper, Offer};
use crate::governor::place;
use crate::governor::unit::Call;

/// How long a governor may take to come back: whoever started it starts it again.
const COMES_BACK: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(50);

/// Held while a unit runs without a governor.
#[derive(Debug)]
pub(super) struct Alone {
    _lock: Option<File>,
}

/// Asks the governor for a turn. `None`: there is no governor any more.
pub(super) fn offer(orders: &Orders, call: &Call, interruption: &Interruption) -> Option<UnixStream> {
    let offer = FromWrapper::Offer(Offer {
        key: orders.key.clone(),
        pid: std::process::id(),
        package: call.package.clone(),
        version: call.version.clone(),
        manifest_dir: call.manifest_dir.to_string_lossy().into_owned(),
        folder: call.folder.to_string_lossy().into_owned(),
        toolchain: env::text(env::RUSTUP_TOOLCHAIN).unwrap_or_default(),
        program: call.program.clone(),
        arguments: call.arguments.clone(),
    });
    let start = Instant::now();
    loop {
        let asked = UnixStream::connect(place::socket(&orders.folder)).and_then(|mut stream| {
            offer.write(&mut stream)?;
            Ok(stream)
        });
        if let Ok(stream) = asked {
            return Some(stream);
        }
        // The folder goes with the whole build; the socket alone comes back with the governor.
        let gone = !orders.folder.is_dir();
        if gone || start.elapsed() > COMES_BACK || interruption.wanted() {
            return None;
        }
        std::thread::sleep(POLL);
    }
}

/// Waits until no other unit runs without a governor. A file system without locks, or a folder that is gone, must not
/// keep a build from going on.
pub(super) fn wait_alone(folder: &Path, interruption: &Interruption) -> Alone {
    let Ok(file) = OpenOptions::new().create(true).truncate(false).write(true).open(place::fallback_lock(folder))
    else {
        return Alone { _lock: None };
    };
    loop {
        match file.try_lock() {
            Ok(()) => return Alone { _lock: Some(file) },
            Err(std::fs::TryLockError::Error(_)) => return Alone { _lock: None },
            Err(std::fs::TryLockError::WouldBlock) if interruption.wanted() => return Alone { _lock: None },
            Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(POLL),
        }
    }
}

/// Says something to a governor that may have gone: then there is nobody to tell.
pub(super) fn tell(stream: &mut Option<UnixStream>, frame: &FromWrapper) {
    let told: io::Result<()> = match stream {
        Some(stream) => frame.write(stream),
        None => Ok(()),
    };
    if told.is_err() {
        *stream = None;
    }
}
