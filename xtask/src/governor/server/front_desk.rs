//! Where wrappers knock: a socket, a thread that opens, and a thread for each that is inside. Threads only read and pass
//! on; deciding is the loop's.

use std::collections::HashMap;
use std::io::BufRead as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;

use super::Incoming;
use crate::env;
use crate::governor::frame::{FromWrapper, Offer};
use crate::governor::{os, place};
use crate::proc;

/// What `rustc -vV` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Compiler {
    /// `1.95.0`.
    pub(super) version: String,
    /// Its own triple.
    pub(super) host: String,
}

#[derive(Debug)]
pub(super) struct FrontDesk {
    folder: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    key: String,
    sender: Mutex<Sender<Incoming>>,
    tickets: AtomicU64,
    /// By program and toolchain; asked once each.
    compilers: Mutex<HashMap<(String, String), Compiler>>,
}

/// A thread that reads frames needs no more.
const STACK: usize = 128 << 10;

impl FrontDesk {
    pub(super) fn open(folder: &Path, key: &str, sender: Sender<Incoming>) -> anyhow::Result<Self> {
        let shared = Shared {
            key: key.to_owned(),
            sender: Mutex::new(sender),
            tickets: AtomicU64::new(1),
            compilers: Mutex::new(HashMap::new()),
        };
        let desk = FrontDesk { folder: folder.to_owned(), shared: Arc::new(shared) };
        desk.open_again().with_context(|| format!("cannot listen at {}", place::socket(folder).display()))?;
        Ok(desk)
    }

    /// Listens at a socket that is new: the earlier one was removed, or its governor has died.
    pub(super) fn open_again(&self) -> std::io::Result<()> {
        let path = place::socket(&self.folder);
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        let shared = Arc::clone(&self.shared);
        std::thread::Builder::new().stack_size(STACK).spawn(move || listen(&listener, &shared))?;
        Ok(())
    }
}

/// Reads what our starter says, a word a line; its end without `done` is its death.
pub(super) fn listen_to_starter(sender: Sender<Incoming>) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            match line.as_deref() {
                Ok("stop") => drop(sender.send(Incoming::Stop)),
                Ok("sync") => drop(sender.send(Incoming::Sync)),
                Ok("done") => {
                    let _ = sender.send(Incoming::Done);
                    return;
                }
                _ => break,
            }
        }
        let _ = sender.send(Incoming::Abandoned);
    });
}

fn listen(listener: &UnixListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(shared);
        let _ = std::thread::Builder::new().stack_size(STACK).spawn(move || attend(stream, &shared));
    }
}

/// One wrapper, from its first word to its last. One that does not know the key is not answered.
fn attend(mut stream: UnixStream, shared: &Shared) {
    if !os::is_own_user(&stream) {
        return;
    }
    let Ok(Some(FromWrapper::Offer(offer))) = FromWrapper::read(&mut stream) else { return };
    if offer.key != shared.key {
        return;
    }
    let Ok(writing) = stream.try_clone() else { return };
    let ticket = shared.tickets.fetch_add(1, Ordering::Relaxed);
    let compiler = shared.compiler(&offer);
    shared.send(Incoming::Offer { ticket, stream: writing, offer, compiler });
    while let Ok(Some(said)) = FromWrapper::read(&mut stream) {
        shared.send(Incoming::Said { ticket, said });
    }
    shared.send(Incoming::Left { ticket });
}

impl Shared {
    fn send(&self, incoming: Incoming) {
        let _ = self.sender.lock().unwrap_or_else(PoisonError::into_inner).send(incoming);
    }

    fn compiler(&self, offer: &Offer) -> Compiler {
        let mut known = self.compilers.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry((offer.program.clone(), offer.toolchain.clone())).or_insert_with(|| ask(offer)).clone()
    }
}

fn ask(offer: &Offer) -> Compiler {
    let mut command = proc::same_environment(&offer.program);
    command.arg("-vV").current_dir(&offer.folder).stdin(std::process::Stdio::null());
    if !offer.toolchain.is_empty() {
        command.env(env::RUSTUP_TOOLCHAIN, &offer.toolchain);
    }
    let text = command.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let field =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
    Compiler { version: field("release:"), host: field("host:") }
}
