//! What wrappers and the governor say to each other: frames of a length, a kind and fields, over a local socket.
//!
//! A frame is a 32-bit little-endian length, one byte for the kind, and fields that end with a zero byte each: command
//! lines and paths cannot hold one, and nothing has to be escaped. Both ends are the same file, so there are no versions.

use std::io::{self, Read, Write};

/// From a wrapper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FromWrapper {
    /// A unit wants to start. `key` is what admits us at all.
    Offer(Offer),
    /// The compiler runs as process `pid`, which leads a group.
    Started {
        pid: u32,
    },
    /// Its metadata is out.
    Metadata,
    Ended(Ended),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Offer {
    pub(crate) key: String,
    pub(crate) pid: u32,
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) manifest_dir: String,
    pub(crate) folder: String,
    pub(crate) toolchain: String,
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
}

/// How one attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) how: How,
    /// Processor time of the compiler and of what it waited for, microseconds.
    pub(crate) cpu_us: u64,
    /// Highest resident memory of any one of them, KiB, file pages included.
    pub(crate) resident_kib: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Code(i32),
    /// The compiler or its linker died of a signal, or for want of memory.
    Killed(i32),
    /// The governor wanted it.
    Evicted,
}

/// From the governor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FromGovernor {
    Start(Start),
    /// End the compiler and all that it started, and wait for the next [`FromGovernor::Start`].
    Evict,
    /// There is no other attempt: what the last one said is the result.
    Stand,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    /// The jobserver of this attempt alone.
    pub(crate) tokens: String,
    /// In place of what cargo asked for, where it is.
    pub(crate) codegen_units: Option<u32>,
    /// The compiler is to give memory back as soon as it can.
    pub(crate) frugal: bool,
}

/// Longer than any command line that a kernel takes.
const LONGEST: usize = 8 << 20;

impl FromWrapper {
    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        match self {
            FromWrapper::Offer(offer) => {
                let pid = offer.pid.to_string();
                let mut fields = vec![
                    &offer.key,
                    &pid,
                    &offer.package,
                    &offer.version,
                    &offer.manifest_dir,
                    &offer.folder,
                    &offer.toolchain,
                    &offer.program,
                ];
                fields.extend(&offer.arguments);
                write(to, b'O', fields.into_iter().map(String::as_str))
            }
            FromWrapper::Started { pid } => write(to, b'S', [pid.to_string().as_str()]),
            FromWrapper::Metadata => write(to, b'M', []),
            FromWrapper::Ended(ended) => {
                let (how, number) = match ended.how {
                    How::Code(code) => ("code", code),
                    How::Killed(signal) => ("killed", signal),
                    How::Evicted => ("evicted", 0),
                };
                let numbers = [number.to_string(), ended.cpu_us.to_string(), ended.resident_kib.to_string()];
                write(to, b'E', [how].into_iter().chain(numbers.iter().map(String::as_str)))
            }
        }
    }

    /// `None`: nothing that a wrapper says.
    pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let (kind, fields) = read(from)?;
        let mut fields = fields.into_iter();
        Ok(match kind {
            b'O' => offer(&mut fields).map(FromWrapper::Offer),
            b'S' => number(&mut fields).map(|pid| FromWrapper::Started { pid }),
            b'M' => Some(FromWrapper::Metadata),
            b'E' => ended(&mut fields).map(FromWrapper::Ended),
            _ => None,
        })
    }
}

impl FromGovernor {
    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        match self {
            FromGovernor::Start(start) => {
                let units = start.codegen_units.map(|units| units.to_string()).unwrap_or_default();
                let frugal = if start.frugal { "1" } else { "" };
                write(to, b'G', [start.tokens.as_str(), units.as_str(), frugal])
            }
            FromGovernor::Evict => write(to, b'X', []),
            FromGovernor::Stand => write(to, b'D', []),
        }
    }

    pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let (kind, fields) = read(from)?;
        let mut fields = fields.into_iter();
        Ok(match kind {
            b'G' => fields.next().map(|tokens| {
                let codegen_units = number(&mut fields);
                let frugal = fields.next().is_some_and(|flag| flag == "1");
                FromGovernor::Start(Start { tokens, codegen_units, frugal })
            }),
            b'X' => Some(FromGovernor::Evict),
            b'D' => Some(FromGovernor::Stand),
            _ => None,
        })
    }
}

fn write<'a>(to: &mut impl Write, kind: u8, fields: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
    let mut bytes = vec![0, 0, 0, 0, kind];
    for field in fields {
        bytes.extend_from_slice(field.as_bytes());
        bytes.push(0);
    }
    let length = u32::try_from(bytes.len() - 4).map_err(|_| io::Error::other("a frame that is too long"))?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    to.write_all(&bytes)
}

fn read(from: &mut impl Read) -> io::Result<(u8, Vec<String>)> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length == 0 || length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no frame of ours"));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    let fields = bytes[1..].split(|byte| *byte == 0).map(|field| String::from_utf8_lossy(field).into_owned());
    let mut fields: Vec<String> = fields.collect();
    // What stands behind the last zero byte is nothing.
    fields.pop();
    Ok((bytes[0], fields))
}

fn offer(fields: &mut impl Iterator<Item = String>) -> Option<Offer> {
    Some(Offer {
        key: fields.next()?,
        pid: number(fields)?,
        package: fields.next()?,
        version: fields.next()?,
        manifest_dir: fields.next()?,
        folder: fields.next()?,
        toolchain: fields.next()?,
        program: fields.next()?,
        arguments: fields.collect(),
    })
}

fn ended(fields: &mut impl Iterator<Item = String>) -> Option<Ended> {
    let how = fields.next()?;
    let detail = number(fields)?;
    let how = match how.as_str() {
        "code" => How::Code(detail),
        "killed" => How::Killed(detail),
        "evicted" => How::Evicted,
        _ => return None,
    };
    Some(Ended { how, cpu_us: number(fields)?, resident_kib: number(fields)? })
}

fn number<T: std::str::FromStr>(fields: &mut impl Iterator<Item = String>) -> Option<T> {
    fields.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_wrapper_says_arrives() {
        let offer = Offer {
            key: "k".into(),
            pid: 7,
            folder: "/a b/将棋".into(),
            arguments: vec!["--crate-name".into(), "a\nb".into(), String::new()],
            ..Offer::default()
        };
        let ended = Ended { how: How::Killed(9), cpu_us: 12, resident_kib: 34 };
        for said in [
            FromWrapper::Offer(offer),
            FromWrapper::Started { pid: 8 },
            FromWrapper::Metadata,
            FromWrapper::Ended(ended),
            FromWrapper::Ended(Ended { how: How::Evicted, ..ended }),
        ] {
            let mut bytes = Vec::new();
            said.write(&mut bytes).expect("memory");
            assert_eq!(FromWrapper::read(&mut bytes.as_slice()).expect("whole"), Some(said));
        }
    }

    #[test]
    fn what_the_governor_says_arrives() {
        let start = Start { tokens: "/run/t1".into(), codegen_units: None, frugal: false };
        for said in [
            FromGovernor::Start(start.clone()),
            FromGovernor::Start(Start { codegen_units: Some(64), frugal: true, ..start }),
            FromGovernor::Evict,
            FromGovernor::Stand,
        ] {
            let mut bytes = Vec::new();
            said.write(&mut bytes).expect("memory");
            assert_eq!(FromGovernor::read(&mut bytes.as_slice()).expect("whole"), Some(said));
        }
    }

    #[test]
    fn a_strangers_words_are_an_error_and_no_allocation() {
        assert!(FromWrapper::read(&mut [255, 255, 255, 255, b'O'].as_slice()).is_err());
        assert!(FromWrapper::read(&mut [0, 0, 0, 0].as_slice()).is_err());
        assert!(FromWrapper::read(&mut [9, 0, 0, 0, b'O'].as_slice()).is_err());
        assert_eq!(FromWrapper::read(&mut [1, 0, 0, 0, b'?'].as_slice()).expect("whole"), None);
        assert_eq!(FromWrapper::read(&mut [1, 0, 0, 0, b'O'].as_slice()).expect("whole"), None);
    }
}
