//! Frames of a WebSocket (RFC 6455, section 5): their heads, and what a client's frames hold, without a copy.

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpCode {
    Continuation,
    Binary,
    Close,
    Ping,
    Pong,
}

impl OpCode {
    fn number(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// What a client said between its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Control {
    Ping(Vec<u8>),
    Close(Vec<u8>),
}

/// How a client broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    /// Extensions that were not agreed on.
    #[error("a frame with reserved bits set")]
    Reserved,
    /// A number that is no kind of frame.
    #[error("a frame of the unknown kind {0}")]
    Kind(u8),
    /// Text, which cannot hold PostgreSQL's protocol.
    #[error("a text message: PostgreSQL's protocol needs binary ones")]
    Text,
    /// Clients must mask.
    #[error("a frame without a mask")]
    Unmasked,
    /// A control frame is short and whole.
    #[error("a control frame that is too long or in parts")]
    Control,
    /// A message inside of another, or the rest of none.
    #[error("a frame that continues nothing, or begins a message inside of another")]
    Order,
    /// More than 2^63 bytes.
    #[error("a frame of an impossible length")]
    Length,
}

impl Violation {
    /// What the Close frame says (section 7.4.1).
    pub(super) fn code(self) -> u16 {
        match self {
            Self::Text => 1003,
            _ => 1002,
        }
    }
}

/// The longest payload of a control frame.
const CONTROL_LEN_MAX: u64 = 125;
/// Two bytes, the length, the mask.
const HEAD_LEN_MAX: usize = 14;
const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// How far the client's frames have come.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    head: [u8; HEAD_LEN_MAX],
    head_len: usize,
    frame: Option<Frame>,
    message: Message,
    end: End,
}

/// The frame whose payload is being read.
#[derive(Debug)]
struct Frame {
    code: OpCode,
    left: u64,
    mask: [u8; 4],
    /// Which byte of the mask is next.
    at: usize,
    /// Of a control frame.
    payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Message {
    #[default]
    None,
    /// Its last frame has not begun.
    Open,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    /// A Close frame has come.
    Closed,
}

impl Incoming {
    /// Takes the frames away and leaves what they hold at the front of `bytes`; gives how much that is.
    ///
    /// # Errors
    /// [`Violation`]: the connection is to be closed.
    pub(super) fn decode(
        &mut self,
        bytes: &mut [u8],
        said: &mut Vec<Control>,
    ) -> Result<usize, Violation> {
        let (mut from, mut to) = (0, 0);
        while from < bytes.len() && self.end == End::Open {
            let Some(frame) = &mut self.frame else {
                from += self.read_head(&bytes[from..])?;
                self.finish_empty(said);
                continue;
            };
            let len = usize::try_from(frame.left).unwrap_or(usize::MAX).min(bytes.len() - from);
            unmask(&mut bytes[from..from + len], frame);
            if frame.code.is_control() {
                frame.payload.extend_from_slice(&bytes[from..from + len]);
            } else {
                bytes.copy_within(from..from + len, to);
                to += len;
            }
            from += len;
            frame.left -= len as u64;
            self.finish_empty(said);
        }
        Ok(to)
    }

    /// True inside a frame, or a message whose last frame has not begun.
    pub(super) fn is_inside_frame(&self) -> bool {
        self.frame.is_some() || self.head_len > 0 || self.message == Message::Open
    }

    /// True when nothing will come any more.
    pub(super) fn is_at_end(&self) -> bool {
        self.end == End::Closed
    }

    /// Reads as much of a head as there is. Gives how many bytes that were.
    fn read_head(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let mut taken = 0;
        for byte in bytes {
            self.head[self.head_len] = *byte;
            self.head_len += 1;
            taken += 1;
            if self.head_len >= 2 && self.head_len == head_len(self.head[1]) {
                self.frame = Some(self.frame_of_head()?);
                self.head_len = 0;
                break;
            }
        }
        Ok(taken)
    }

    fn frame_of_head(&mut self) -> Result<Frame, Violation> {
        let [first, second, ..] = self.head;
        if first & RESERVED != 0 {
            return Err(Violation::Reserved);
        }
        let is_last = first & FIN != 0;
        let code = self.code(first & 0x0F)?;
        let Some(mask_at) = self.head_len.checked_sub(4).filter(|_| second & MASKED != 0) else {
            return Err(Violation::Unmasked);
        };
        let left = self.head[2..mask_at].iter().fold(0, |len, byte| len << 8 | u64::from(*byte));
        let left = if mask_at == 2 { u64::from(second & !MASKED) } else { left };
        if left >> 63 != 0 {
            return Err(Violation::Length);
        }
        if code.is_control() {
            if !is_last || left > CONTROL_LEN_MAX {
                return Err(Violation::Control);
            }
        } else {
            self.message = if is_last { Message::None } else { Message::Open };
        }
        let mut mask = [0; 4];
        mask.copy_from_slice(&self.head[mask_at..self.head_len]);
        Ok(Frame { code, left, mask, at: 0, payload: Vec::new() })
    }

    fn code(&self, number: u8) -> Result<OpCode, Violation> {
        match (number, self.message) {
            (0x0, Message::Open) => Ok(OpCode::Continuation),
            (0x2, Message::None) => Ok(OpCode::Binary),
            (0x0, Message::None) | (0x1 | 0x2, Message::Open) => Err(Violation::Order),
            (0x1, Message::None) => Err(Violation::Text),
            (0x8, _) => Ok(OpCode::Close),
            (0x9, _) => Ok(OpCode::Ping),
            (0xA, _) => Ok(OpCode::Pong),
            (number, _) => Err(Violation::Kind(number)),
        }
    }

    /// Ends a frame that holds no more.
    fn finish_empty(&mut self, said: &mut Vec<Control>) {
        if self.frame.as_ref().is_none_or(|frame| frame.left > 0) {
            return;
        }
        let Some(Frame { code, payload, .. }) = self.frame.take() else { return };
        match code {
            OpCode::Ping => said.push(Control::Ping(payload)),
            OpCode::Close => {
                self.end = End::Closed;
                said.push(Control::Close(payload));
            }
            OpCode::Pong | OpCode::Continuation | OpCode::Binary => {}
        }
    }
}

/// The head of a frame of the proxy's own: whole, and without a mask, as a server's are.
pub(super) fn head(code: OpCode, len: usize) -> Vec<u8> {
    let mut head = vec![FIN | code.number()];
    match len {
        0..=125 => head.push(len as u8),
        126..=0xFFFF => {
            head.push(126);
            head.extend((len as u16).to_be_bytes());
        }
        _ => {
            head.push(127);
            head.extend((len as u64).to_be_bytes());
        }
    }
    head
}

/// How long a client's head is, by its second byte.
fn head_len(second: u8) -> usize {
    let len = match second & !MASKED {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    len + if second & MASKED != 0 { 4 } else { 0 }
}

fn unmask(bytes: &mut [u8], frame: &mut Frame) {
    let mut mask = frame.mask;
    mask.rotate_left(frame.at % 4);
    let (words, rest) = bytes.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    rest.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    frame.at = (frame.at + bytes.len()) % 4;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's frame.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 200];
        let mut bytes = head(OpCode::Binary, payload.len());
        bytes[0] = first;
        bytes[1] |= MASKED;
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// Everything, cut into pieces of this length.
    fn decode(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, Vec<Control>), Violation> {
        let (mut incoming, mut held, mut said) = (Incoming::default(), Vec::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            let mut piece = piece.to_vec();
            let len = incoming.decode(&mut piece, &mut said)?;
            held.extend_from_slice(&piece[..len]);
        }
        Ok((held, said))
    }

    #[test]
    fn what_frames_hold_comes_out_however_they_are_cut() {
        let long: Vec<u8> = (0..70_000_u32).map(|n| (n % 251) as u8).collect();
        let mut bytes = frame(0x02, b"one ");
        bytes.extend(frame(0x89, b"there?"));
        bytes.extend(frame(0x00, b""));
        bytes.extend(frame(0x00, &[b'x'; 300]));
        bytes.extend(frame(0x80, b" end"));
        bytes.extend(frame(0x82, &long));
        bytes.extend(frame(0x8A, b"pong"));
        bytes.extend(frame(0x82, b""));
        let expected = [b"one ".to_vec(), vec![b'x'; 300], b" end".to_vec(), long].concat();
        let end = frame(0x88, &1000_u16.to_be_bytes());
        bytes.extend(&end);
        bytes.extend(frame(0x82, b"after the end"));
        for piece in [1, 2, 3, 7, 4_096, usize::MAX] {
            let (held, said) = decode(&bytes, piece).unwrap();
            assert!(held == expected, "in pieces of {piece}");
            let close = Control::Close(1000_u16.to_be_bytes().to_vec());
            assert_eq!(said, [Control::Ping(b"there?".to_vec()), close]);
        }
    }

    #[test]
    fn what_breaks_the_protocol_is_refused() {
        let mut unmasked = frame(0x82, b"x");
        unmasked[1] &= !MASKED;
        let mut endless = frame(0x82, &[0; 70_000]);
        endless[2] = 0x80;
        for (bytes, violation) in [
            (frame(0xC2, b"x"), Violation::Reserved),
            (frame(0x81, b"x"), Violation::Text),
            (frame(0x83, b"x"), Violation::Kind(3)),
            (frame(0x8B, b"x"), Violation::Kind(11)),
            (frame(0x80, b"x"), Violation::Order),
            ([frame(0x02, b"x"), frame(0x82, b"x")].concat(), Violation::Order),
            (frame(0x09, b"x"), Violation::Control),
            (frame(0x89, &[0; 126]), Violation::Control),
            (unmasked, Violation::Unmasked),
            (endless, Violation::Length),
        ] {
            assert_eq!(decode(&bytes, 3), Err(violation));
        }
    }
}
