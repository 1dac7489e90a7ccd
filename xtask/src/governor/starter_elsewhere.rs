//! Systems without Unix sockets and process groups: there is no governor, and builds run without.

use std::convert::Infallible;
use std::ffi::OsString;

use anyhow::bail;

use super::Wishes;
use crate::events::Event;

/// There is none.
#[derive(Debug)]
pub(crate) struct Governor(Infallible);

impl Governor {
    pub(crate) fn start(_wishes: Wishes, _hear: impl FnMut(Option<Event>) + Send + 'static) -> anyhow::Result<Self> {
        bail!("there is no governor for this system yet (it needs Unix sockets and process groups)")
    }

    pub(crate) fn revive(&mut self, _hear: impl FnMut(Option<Event>) + Send + 'static) -> bool {
        match self.0 {}
    }

    pub(crate) fn is_alive(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        match self.0 {}
    }

    pub(crate) fn sync(&mut self) {
        match self.0 {}
    }

    pub(crate) fn stop_admitting(&mut self) {
        match self.0 {}
    }
}
