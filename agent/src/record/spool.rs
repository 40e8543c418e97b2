//! Records on disk while the orchestrator is away. Frames of encoded batches enter and leave in order; the oldest go
//! first when the bound is reached. A process that dies in the middle of a write leaves a torn tail, which is cut off.
//!
//! Segment files `00000000001000000000.seg` hold frames: length, CRC-32 and number of exchanges (each u32, little-endian),
//! then the payload. The CRC covers the number and the payload. A segment is deleted when its last frame is acknowledged.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::batch::Lost;
use crate::disk;

const HEADER: usize = 12;
/// Longest payload that is believed: far above any batch.
const MAX_PAYLOAD: u32 = 64 << 20;
/// The first segment of an empty spool; lower numbers are for what turns out to be older.
const MIDDLE: u64 = 1_000_000_000;

/// A frame's place, to be given back when it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    segment: u64,
    /// where the frame ends
    end: u64,
}

/// An encoded batch, without its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) payload: Bytes,
    pub(super) exchanges: u32,
}

struct Segment {
    number: u64,
    bytes: u64,
    read: u64,
    unread: Lost,
}

/// The folder of segments.
pub(super) struct Spool {
    folder: PathBuf,
    bound: u64,
    segment_bytes: u64,
    segments: VecDeque<Segment>,
    /// the last segment, open for more
    writer: Option<File>,
    reader: Option<(u64, File)>,
    bytes: u64,
    lost: Lost,
}

impl Spool {
    /// What an earlier run left, up to its torn tail, and room for more up to `bound` bytes.
    pub(super) fn open(folder: PathBuf, bound: u64) -> io::Result<Self> {
        disk::private_folder(&folder)?;
        let mut numbers: Vec<u64> = fs::read_dir(&folder)?
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                let number = name.to_str()?.strip_suffix(".seg")?.parse().ok()?;
                // what this would name otherwise is no file of ours, and after the last there is no next
                (name == *file_name(number) && number != u64::MAX).then_some(number)
            })
            .collect();
        numbers.sort_unstable();
        let mut spool = Self {
            folder,
            bound,
            segment_bytes: (bound / 16).clamp(4 << 10, 8 << 20),
            segments: VecDeque::new(),
            writer: None,
            reader: None,
            bytes: 0,
            lost: Lost::default(),
        };
        for number in numbers {
            let path = spool.path(number);
            let (bytes, unread) = scan(&path)?;
            if bytes == 0 {
                fs::remove_file(&path)?;
                continue;
            }
            spool.bytes += bytes;
            spool.segments.push_back(Segment { number, bytes, read: 0, unread });
        }
        Ok(spool)
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Is there a frame that [`Self::next`] has not given yet?
    pub(super) fn has_unread(&self) -> bool {
        self.segments.iter().any(|segment| segment.read < segment.bytes)
    }

    /// Lost since the last call: to the bound, or to damage.
    pub(super) fn take_lost(&mut self) -> Lost {
        std::mem::take(&mut self.lost)
    }

    /// Adds a frame at the end, at the cost of the oldest when the bound is reached.
    pub(super) fn append(&mut self, frame: &Frame) -> io::Result<()> {
        let size = (HEADER + frame.payload.len()) as u64;
        if size > self.bound {
            self.lost += Lost::of(frame);
            return Ok(());
        }
        while self.bytes + size > self.bound {
            self.drop_oldest()?;
        }
        if self.segments.back().is_none_or(|last| last.bytes + size > self.segment_bytes) {
            self.writer = None;
        }
        if self.writer.is_none() {
            let number = self.segments.back().map_or(MIDDLE, |last| last.number + 1);
            self.writer = Some(self.create(number)?);
            self.segments.push_back(Segment { number, bytes: 0, read: 0, unread: Lost::default() });
        }
        if let (Some(file), Some(segment)) = (&mut self.writer, self.segments.back_mut()) {
            if let Err(error) = file.write_all(&encode(frame)) {
                // half a frame may be there: nothing more goes into this file, and reading stops before it
                let _ = file.set_len(segment.bytes);
                self.writer = None;
                if segment.bytes == 0 {
                    // the next attempt makes one anew
                    let number = segment.number;
                    self.segments.pop_back();
                    let _ = fs::remove_file(self.path(number));
                }
                return Err(error);
            }
            segment.bytes += size;
            segment.unread += Lost::of(frame);
            self.bytes += size;
        }
        Ok(())
    }

    /// Puts frames before all others: they are older. Without room for them they are lost, as the oldest.
    pub(super) fn prepend(&mut self, frames: &[Frame]) -> io::Result<()> {
        let size: u64 = frames.iter().map(|frame| (HEADER + frame.payload.len()) as u64).sum();
        let all: Lost = frames.iter().map(Lost::of).sum();
        if frames.is_empty() || self.bytes + size > self.bound {
            self.lost += all;
            return Ok(());
        }
        let number = self.segments.front().map_or(MIDDLE, |first| first.number.saturating_sub(1));
        let mut file = self.create(number)?;
        let written = frames.iter().try_for_each(|frame| file.write_all(&encode(frame)));
        if let Err(error) = written.and_then(|()| file.sync_all()) {
            // nobody knows of this file: it would be in the way of the next attempt
            let _ = fs::remove_file(self.path(number));
            return Err(error);
        }
        self.segments.push_front(Segment { number, bytes: size, read: 0, unread: all });
        self.bytes += size;
        Ok(())
    }

    /// The next frame in order. It stays on disk until [`Self::acknowledge`]. A segment that cannot be read is skipped
    /// from there on.
    pub(super) fn next(&mut self) -> io::Result<Option<(Position, Frame)>> {
        let Some(segment) = self.segments.iter_mut().find(|segment| segment.read < segment.bytes) else {
            return Ok(None);
        };
        let number = segment.number;
        match read_at(&mut self.reader, &self.folder, number, segment.read) {
            Ok(frame) => {
                segment.read += (HEADER + frame.payload.len()) as u64;
                segment.unread -= Lost::of(&frame);
                Ok(Some((Position { segment: number, end: segment.read }, frame)))
            }
            Err(error) => {
                segment.read = segment.bytes;
                self.lost += std::mem::take(&mut segment.unread);
                Err(error)
            }
        }
    }

    /// Is there room for so many frames with so many bytes of payload, without the loss of others?
    pub(super) fn has_room(&self, frames: usize, payload: usize) -> bool {
        self.bytes + (frames * HEADER + payload) as u64 <= self.bound
    }

    /// A frame that [`Self::next`] gave is to be given again. In the reverse of the order in which they were given.
    pub(super) fn give_back(&mut self, position: Position, frame: &Frame) {
        match self.segments.iter_mut().find(|segment| segment.number == position.segment) {
            Some(segment) => {
                segment.read = position.end - (HEADER + frame.payload.len()) as u64;
                segment.unread += Lost::of(frame);
            }
            // the bound took the segment meanwhile
            None => self.lost += Lost::of(frame),
        }
    }

    /// The orchestrator has everything up to here.
    pub(super) fn acknowledge(&mut self, position: Position) -> io::Result<()> {
        while let Some(first) = self.segments.front() {
            let done =
                first.number < position.segment || (first.number == position.segment && first.bytes == position.end);
            if !done || first.read < first.bytes {
                break;
            }
            if self.segments.len() == 1 {
                self.writer = None;
            }
            self.drop_oldest()?;
        }
        Ok(())
    }

    /// Everything written is on the disk itself.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(file) = &self.writer {
            file.sync_all()?;
        }
        File::open(&self.folder)?.sync_all()
    }

    fn drop_oldest(&mut self) -> io::Result<()> {
        let Some(first) = self.segments.pop_front() else { return Ok(()) };
        if self.segments.is_empty() {
            self.writer = None;
        }
        self.bytes -= first.bytes;
        self.lost += first.unread;
        if self.reader.as_ref().is_some_and(|(open, _)| *open == first.number) {
            self.reader = None;
        }
        fs::remove_file(self.path(first.number))
    }

    fn create(&self, number: u64) -> io::Result<File> {
        OpenOptions::new().append(true).create_new(true).mode(0o600).open(self.path(number))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(file_name(number))
    }
}

fn read_at(reader: &mut Option<(u64, File)>, folder: &Path, number: u64, at: u64) -> io::Result<Frame> {
    if reader.as_ref().is_none_or(|(open, _)| *open != number) {
        *reader = Some((number, File::open(folder.join(file_name(number)))?));
    }
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged", file_name(number)));
    let (_, file) = reader.as_mut().ok_or_else(damaged)?;
    file.seek(SeekFrom::Start(at))?;
    read_frame(file)?.ok_or_else(damaged)
}

fn file_name(number: u64) -> String {
    format!("{number:020}.seg")
}

fn encode(Frame { payload, exchanges }: &Frame) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("batches are far smaller");
    let mut out = Vec::with_capacity(HEADER + payload.len());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(*exchanges, payload).to_le_bytes());
    out.extend_from_slice(&exchanges.to_le_bytes());
    out.extend_from_slice(payload);
    out
}

fn checksum(exchanges: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&exchanges.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// `None` where no whole frame is.
fn read_frame(file: &mut impl io::Read) -> io::Result<Option<Frame>> {
    let mut header = Vec::with_capacity(HEADER);
    file.take(HEADER as u64).read_to_end(&mut header)?;
    let word = |at: usize| Some(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let (Some(length), Some(crc), Some(exchanges)) = (word(0), word(4), word(8)) else { return Ok(None) };
    if length > MAX_PAYLOAD {
        return Ok(None);
    }
    let mut payload = Vec::new();
    file.take(u64::from(length)).read_to_end(&mut payload)?;
    let whole = payload.len() == length as usize && checksum(exchanges, &payload) == crc;
    Ok(whole.then(|| Frame { payload: payload.into(), exchanges }))
}

/// Whole frames at the beginning of a file, in bytes and in what they hold; what follows them is cut off.
fn scan(path: &Path) -> io::Result<(u64, Lost)> {
    let mut reader = io::BufReader::new(File::open(path)?);
    let (mut bytes, mut held) = (0, Lost::default());
    while let Some(frame) = read_frame(&mut reader)? {
        bytes += (HEADER + frame.payload.len()) as u64;
        held += Lost::of(&frame);
    }
    if fs::metadata(path)?.len() != bytes {
        tracing::warn!("{}: cut to its {bytes} whole bytes", path.display());
        OpenOptions::new().write(true).open(path)?.set_len(bytes)?;
    }
    Ok((bytes, held))
}

#[cfg(test)]
mod tests;
