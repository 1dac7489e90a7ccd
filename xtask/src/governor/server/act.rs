//! What wrappers say becomes events for the scheduler, and what it decides is done.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use super::Server;
use super::front_desk::Compiler;
use super::visitor::{Run, Visitor};
use crate::events;
use crate::governor::estimate::{self, Shape};
use crate::governor::frame::{Ended, FromGovernor, FromWrapper, How, Offer, Start};
use crate::governor::jobserver::Jobserver;
use crate::governor::ledger::{self, Ran};
use crate::governor::scheduler::{Action, Attempt, End, Event, Ticket};
use crate::governor::unit::{Call, Identity, Unit};
use crate::governor::{os, place};

/// More codegen units than this make a compilation slower and its memory no smaller.
const MOST_UNITS: u32 = 256;

impl Server {
    pub(super) fn admit(&mut self, ticket: Ticket, stream: UnixStream, offer: &Offer, compiler: &Compiler) {
        let call = Call {
            arguments: offer.arguments.clone(),
            program: offer.program.clone(),
            package: offer.package.clone(),
            version: offer.version.clone(),
            manifest_dir: PathBuf::from(&offer.manifest_dir),
            folder: PathBuf::from(&offer.folder),
        };
        let unit = call.unit(&compiler.version, &compiler.host);
        self.keys_by_stem.insert(unit.stem.clone(), ledger::key(&unit.identity));
        let shape = self.shape(&unit);
        let prediction = self.ledger.predict(&unit.identity, || shape.clone());
        self.emit(&events::Event::Offered {
            ticket,
            unit: unit.identity.label(),
            kind: unit.identity.kind.name().to_owned(),
            predicted: prediction.peak,
            basis: format!("{:?}", prediction.basis).to_lowercase(),
            tail_s: prediction.tail_s,
        });
        let peer = os::peer(&stream).filter(|pid| *pid != 0).unwrap_or(offer.pid);
        let mut visitor = Visitor::new(stream, peer, unit, prediction.clone(), self.now());
        visitor.same_numbers = peer == offer.pid;
        visitor.codegen_units = call.codegen_units();
        visitor.source_kib = shape.source_kib;
        visitor.input_kib = shape.input_kib;
        self.visitors.insert(ticket, visitor);
        self.step(Event::Offered { ticket, prediction });
        self.spread_offers();
    }

    pub(super) fn hear(&mut self, ticket: Ticket, said: &FromWrapper) {
        let now = self.now();
        let Some(visitor) = self.visitors.get_mut(&ticket) else { return };
        match said {
            FromWrapper::Started { pid } => {
                if let Some(run) = &mut visitor.run {
                    run.compiler = visitor.same_numbers.then_some(*pid);
                }
            }
            FromWrapper::Metadata => {
                if let Some(run) = &mut visitor.run {
                    run.metadata.get_or_insert(now);
                }
                self.emit(&events::Event::MetadataOut { ticket });
                self.step(Event::MetadataOut { ticket });
            }
            FromWrapper::Ended(ended) => self.ended(ticket, *ended),
            FromWrapper::Offer(_) => {}
        }
    }

    /// A wrapper has gone. One that was done, or waited, went by itself; one whose unit ran was killed.
    pub(super) fn left(&mut self, ticket: Ticket) {
        let Some(visitor) = self.visitors.remove(&ticket) else { return };
        if !visitor.done {
            visitor.end_compiler();
            if visitor.run.is_some() {
                self.emit(&events::Event::Lost { ticket, unit: visitor.label() });
            }
            self.step(Event::Ended { ticket, end: End::Finished });
        }
        self.spread_offers();
    }

    pub(super) fn act(&mut self, action: &Action) {
        match *action {
            Action::Start { ticket, attempt } => self.start(ticket, attempt),
            Action::Tokens { ticket, count } => self.give_tokens(ticket, count),
            Action::Evict { ticket, reason } => self.evict(ticket, reason.headroom),
            Action::GiveUp { ticket, need } => self.give_up(ticket, need),
            Action::Wait { ticket, need } => {
                let Some(unit) = self.visitors.get(&ticket).map(Visitor::label) else { return };
                let headroom = self.sampled.headroom;
                self.emit(&events::Event::Waits { unit, need, headroom });
            }
        }
    }

    fn start(&mut self, ticket: Ticket, attempt: Attempt) {
        let now = self.now();
        let tokens = Jobserver::open(&place::tokens(&self.options.folder, ticket)).ok();
        let Some(visitor) = self.visitors.get_mut(&ticket) else { return };
        let codegen_units =
            attempt.more_codegen_units.then_some(MOST_UNITS).filter(|most| visitor.codegen_units < *most);
        let path = tokens.as_ref().map(|tokens| tokens.path().to_string_lossy().into_owned()).unwrap_or_default();
        visitor.attempt = attempt;
        visitor.run = Some(Run { started: now, tokens, codegen_units, ..Run::default() });
        visitor.tell(&FromGovernor::Start(Start { tokens: path, codegen_units, frugal: attempt.frugal }));
        let event = events::Event::Started {
            ticket,
            unit: visitor.label(),
            waited_s: now - visitor.offered,
            predicted: visitor.prediction.peak,
            kills: attempt.kills,
            alone: attempt.alone,
            codegen_units,
        };
        self.emit(&event);
    }

    fn give_tokens(&mut self, ticket: Ticket, count: usize) {
        let Some(run) = self.visitors.get_mut(&ticket).and_then(|visitor| visitor.run.as_mut()) else { return };
        if let Some(tokens) = &mut run.tokens {
            tokens.set(count);
            run.given = count;
        }
        self.emit(&events::Event::Threads { ticket, count });
    }

    fn evict(&mut self, ticket: Ticket, headroom: u64) {
        let Some(visitor) = self.visitors.get_mut(&ticket) else { return };
        visitor.tell(&FromGovernor::Evict);
        let held = visitor.run.as_ref().and_then(|run| run.samples.last()).map_or(0, |(_, anon)| *anon);
        let unit = visitor.label();
        self.emit(&events::Event::Evicted { ticket, unit, held, headroom });
    }

    fn give_up(&mut self, ticket: Ticket, need: u64) {
        let (had, foreign) = (self.sampled.headroom, self.sampled.foreign);
        let Some(visitor) = self.visitors.get_mut(&ticket) else { return };
        visitor.tell(&FromGovernor::Stand);
        visitor.done = true;
        let identity = &visitor.unit.identity;
        let is_same = |other: &Identity| other.package == identity.package && other.kind == identity.kind;
        let unoptimised = self.ledger.rows().filter(|row| is_same(&row.identity) && row.identity.opt_level == "0");
        let gave_up = events::GaveUp {
            ticket,
            unit: visitor.label(),
            opt_level: identity.opt_level.clone(),
            kills: visitor.attempt.kills + 1,
            need,
            had,
            foreign,
            unoptimised: unoptimised.filter(|row| row.outcome == Ran::Done).map(|row| row.peak).min(),
        };
        self.emit(&events::Event::GaveUp(gave_up));
    }

    fn ended(&mut self, ticket: Ticket, ended: Ended) {
        let now = self.now();
        let killed = matches!(ended.how, How::Killed(_));
        let confirmed = killed && self.claims_a_kill();
        self.measure(ticket, &ended, now);
        if killed {
            // What it took since the last sample would else be taken for what others hold. While it counts as running, so
            // that what it has given back is not added a second time.
            self.sample();
        }
        let Some(visitor) = self.visitors.get_mut(&ticket) else { return };
        let label = visitor.label();
        let run = visitor.run.take().unwrap_or_default();
        self.totals.cpu_s += ended.cpu_us as f64 / 1e6;
        self.totals.memory_time += run.memory_time(now);
        let held = run.peak;
        let kills = visitor.attempt.kills + 1;
        // Its jobserver goes with it.
        drop(run.tokens);
        let end = match ended.how {
            How::Code(_) => End::Finished,
            How::Killed(_) => End::Killed { confirmed },
            How::Evicted => End::Evicted,
        };
        if let How::Code(code) = ended.how {
            visitor.done = true;
            let event = events::Ended {
                ticket,
                unit: label.clone(),
                kind: visitor.unit.identity.kind.name().to_owned(),
                code: code.into(),
                predicted: visitor.prediction.peak,
                basis: format!("{:?}", visitor.prediction.basis).to_lowercase(),
                peak: run.peak,
                cpu_s: ended.cpu_us as f64 / 1e6,
                wall_s: now - run.started,
                waited_s: run.started - visitor.offered,
                threads: run.threads,
            };
            self.emit(&events::Event::Ended(event));
        }
        self.step(Event::Ended { ticket, end });
        if killed {
            let again = self.visitors.get(&ticket).is_some_and(|visitor| !visitor.done);
            self.emit(&events::Event::Killed { ticket, unit: label, held, confirmed, again, kills });
        }
    }

    /// Writes down what an attempt took. One that did not come to its end is a lower bound, and only a high one tells.
    fn measure(&mut self, ticket: Ticket, ended: &Ended, now: f64) {
        let Some(visitor) = self.visitors.get(&ticket) else { return };
        let outcome = if ended.how == How::Code(0) { Ran::Done } else { Ran::Killed };
        let Some(mut measurement) = visitor.measurement(ended, now, outcome) else { return };
        if outcome == Ran::Killed && measurement.peak <= visitor.prediction.peak {
            return;
        }
        let needs = visitor.unit.needs.iter();
        measurement.needs = needs.filter_map(|stem| self.keys_by_stem.get(stem).cloned()).collect();
        self.ledger.record(&measurement);
        if let Some(error) = self.ledger.write_error().filter(|_| !self.told_of_ledger) {
            let text = format!("what units take cannot be written down: {error}");
            self.told_of_ledger = true;
            self.note(&text);
        }
    }

    fn shape(&mut self, unit: &Unit) -> Shape {
        let source = unit.source.clone().unwrap_or_default();
        let source_kib = *self.sources.entry(source).or_insert_with_key(|path| estimate::source_kib(path));
        let bytes: u64 = unit.inputs.iter().filter_map(|path| path.metadata().ok()).map(|data| data.len()).sum();
        Shape::of(&unit.identity, source_kib, bytes / 1024, unit.needs.len())
    }
}
