//! Objects: what is stored under a key, in one allocation.
//!
//! ```text
//! owners (4) │ length (4) │ packed meta (64) │ path │ extra │ head │ body
//! ```
//!
//! An object never changes after it was made; to change its meta (a revalidation), make a new one.

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

use crate::block::{BLOCK_OVERHEAD_BYTES, Block};
use crate::key::CacheKey;
use crate::limits;

/// One stored response, marker or chunk: immutable, one allocation, as cheap to clone as a pointer.
#[derive(Clone)]
pub struct Object(Block<Packed>);

impl Object {
    /// Copies the parts into one allocation. `body` may come in pieces.
    ///
    /// - `path`: the path and query that bans match against.
    /// - `extra`: what the kind needs besides: names that a marker varies on, tags.
    /// - `head`: the encoded header block, ready to write.
    pub fn new(
        meta: &Meta,
        path: &[u8],
        extra: &[u8],
        head: &[u8],
        body: &[&[u8]],
    ) -> Result<Self, ObjectError> {
        let packed = Packed::new(meta, path.len(), extra.len(), head.len())?;
        let body_len: usize = body.iter().map(|piece| piece.len()).sum();
        if body_len > limits::OBJECT_BODY_BYTES_MAX {
            return Err(ObjectError::Body(body_len));
        }
        let parts = [path, extra, head].into_iter().chain(body.iter().copied());
        Ok(Self(Block::new(packed, parts)))
    }

    /// The same object with another meta: what a revalidation makes. Copies.
    pub fn with_meta(&self, meta: &Meta) -> Result<Self, ObjectError> {
        Self::new(meta, self.path(), self.extra(), self.head(), &[self.body()])
    }

    /// Everything that is known about it besides its bytes.
    #[inline]
    pub fn meta(&self) -> Meta {
        self.packed().unpack()
    }

    /// The key that it is stored under.
    #[inline]
    pub fn key(&self) -> CacheKey {
        self.packed().key
    }

    /// What it is.
    #[inline]
    pub fn kind(&self) -> ObjectKind {
        self.packed().kind()
    }

    /// The path and query that bans match against.
    #[inline]
    pub fn path(&self) -> &[u8] {
        &self.0.bytes()[..self.extra_at()]
    }

    /// Names that a marker varies on, tags: by kind.
    #[inline]
    pub fn extra(&self) -> &[u8] {
        &self.0.bytes()[self.extra_at()..self.head_at()]
    }

    /// The encoded header block.
    #[inline]
    pub fn head(&self) -> &[u8] {
        &self.0.bytes()[self.head_at()..self.body_at()]
    }

    /// The body: all of it, or this chunk's part.
    #[inline]
    pub fn body(&self) -> &[u8] {
        &self.0.bytes()[self.body_at()..]
    }

    /// The body as [`Bytes`] that keep the object alive: no copy, one small allocation.
    pub fn body_bytes(&self) -> Bytes {
        struct Body(Object);
        impl AsRef<[u8]> for Body {
            fn as_ref(&self) -> &[u8] {
                self.0.body()
            }
        }
        Bytes::from_owner(Body(self.clone()))
    }

    /// What it costs to keep: the allocation as the allocator rounds it, and its part of the index.
    #[inline]
    pub fn size_bytes(&self) -> u64 {
        kept_bytes(self.0.bytes().len() as u64)
    }

    #[inline]
    fn packed(&self) -> &Packed {
        self.0.header()
    }

    #[inline]
    fn extra_at(&self) -> usize {
        usize::from(self.packed().path_len)
    }

    #[inline]
    fn head_at(&self) -> usize {
        self.extra_at() + usize::from(self.packed().extra_len())
    }

    #[inline]
    fn body_at(&self) -> usize {
        self.head_at() + self.packed().head_len as usize
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Object")
            .field("meta", &self.meta())
            .field("path", &String::from_utf8_lossy(self.path()))
            .field("body_bytes", &self.body().len())
            .finish_non_exhaustive()
    }
}

/// What is known about an object besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The key that the object is stored under.
    pub key: CacheKey,
    /// What the object is.
    pub kind: ObjectKind,
    /// HTTP status, 100–999; 0 where the kind has none.
    pub status: u16,
    /// Properties that a lookup needs at once.
    pub flags: ObjectFlags,
    /// Which distribution it belongs to; bans are scoped by it.
    pub scope: u32,
    /// When it was stored or last revalidated, in seconds since 1970.
    pub stored_at_secs: u32,
    /// For how long it is fresh, counted from `stored_at_secs`.
    pub fresh_secs: u32,
    /// For how long after that it may be served while it is revalidated.
    pub stale_while_revalidate_secs: u32,
    /// For how long after freshness it may be served when the origin fails;
    /// [`Self::UNTIL_EVICTED`] has no end.
    pub stale_if_error_secs: u32,
    /// Its age when it was stored, as other caches on the way told.
    pub initial_age_secs: u32,
    /// Length of the complete representation, of which a chunk holds a part. Below 2⁴⁸.
    pub total_bytes: u64,
    /// The store's revision that it was fetched at; a ban of a later revision applies. Below 2⁴⁸.
    pub revision: u64,
}

impl Meta {
    /// The value of `stale_if_error_secs` that has no end but eviction.
    pub const UNTIL_EVICTED: u32 = u32::MAX;

    /// Meta of a whole response under `key` with everything else zero: change what you know.
    pub const fn new(key: CacheKey) -> Self {
        Self {
            key,
            kind: ObjectKind::Whole,
            status: 0,
            flags: ObjectFlags::NONE,
            scope: 0,
            stored_at_secs: 0,
            fresh_secs: 0,
            stale_while_revalidate_secs: 0,
            stale_if_error_secs: 0,
            initial_age_secs: 0,
            total_bytes: 0,
            revision: 0,
        }
    }
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ObjectKind {
    /// A complete response.
    Whole = 0,
    /// The header block of a response whose body is stored in chunks.
    Head = 1,
    /// A piece of a large body.
    Chunk = 2,
    /// The names that responses under this key vary on; they are stored under variant keys.
    VaryMarker = 3,
}

/// Properties of an object, as a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ObjectFlags(u16);

impl ObjectFlags {
    /// The empty set.
    pub const NONE: Self = Self(0);
    /// Never served stale.
    pub const NO_STALE: Self = Self(1 << 0);
    /// Revalidated as soon as it is stale (`must-revalidate`, `proxy-revalidate`).
    pub const MUST_REVALIDATE: Self = Self(1 << 1);
    /// We compressed it ourselves.
    pub const COMPRESSED: Self = Self(1 << 2);
    /// The header block contains `Set-Cookie`.
    pub const HAS_SET_COOKIE: Self = Self(1 << 3);
    /// The header block contains an entity tag.
    pub const HAS_ETAG: Self = Self(1 << 4);
    /// The header block contains `Last-Modified`.
    pub const HAS_LAST_MODIFIED: Self = Self(1 << 5);
    /// An error response that is kept for its error caching TTL only.
    pub const ERROR: Self = Self(1 << 6);
    /// The response to a HEAD request: it has no body, whatever its length header says.
    pub const HEAD_ONLY: Self = Self(1 << 7);

    /// The set with exactly these bits; those without a name here belong to the caller.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The bits of the set.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without the members of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether every member of `other` is in this set.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Why an object could not be made: a part is longer than its format can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ObjectError {
    /// The path is too long.
    #[error("path is {0} bytes long; an object stores at most {max}", max = u16::MAX)]
    Path(usize),
    /// The extra part is too long.
    #[error("extra part is {0} bytes long; an object stores at most {max}", max = u16::MAX)]
    Extra(usize),
    /// The header block is too long.
    #[error("header block is {0} bytes long; an object stores at most {max}", max = limits::OBJECT_HEAD_BYTES_MAX)]
    Head(usize),
    /// The body is too long.
    #[error("body is {0} bytes long; an object stores at most {max}", max = limits::OBJECT_BODY_BYTES_MAX)]
    Body(usize),
    /// No such status.
    #[error("status {0} is not an HTTP status (0 or 100 to 999)")]
    Status(u16),
    /// The length of the complete representation has no place.
    #[error("total length {0} is not below 2^48")]
    TotalBytes(u64),
    /// The revision has no place.
    #[error("revision {0} is not below 2^48")]
    Revision(u64),
}

/// What precedes an object's bytes. 48-bit numbers lend their upper 16 bits to small ones.
#[derive(Clone, Copy)]
struct Packed {
    key: CacheKey,
    /// Bits 0–47 total_bytes, 48–57 status, 58–63 kind.
    total_status_kind: u64,
    /// Bits 0–47 revision, 48–63 length of extra.
    revision_extra: u64,
    scope: u32,
    stored_at_secs: u32,
    fresh_secs: u32,
    stale_while_revalidate_secs: u32,
    stale_if_error_secs: u32,
    initial_age_secs: u32,
    head_len: u32,
    path_len: u16,
    flags: ObjectFlags,
}

const _: () = assert!(
    size_of::<Packed>() == 64,
    "a cache line, and what the index budget assumes"
);
const _: () = assert!(
    align_of::<Packed>() == 8,
    "or the reference count would be padded"
);
const _: () = assert!(
    size_of::<Option<Object>>() == 8,
    "slots rely on the thin pointer"
);

const LOW_48: u64 = (1 << 48) - 1;
const STATUS_MAX: u16 = 999;

impl Packed {
    fn new(meta: &Meta, path: usize, extra: usize, head: usize) -> Result<Self, ObjectError> {
        if meta.status > STATUS_MAX || (1..100).contains(&meta.status) {
            return Err(ObjectError::Status(meta.status));
        }
        if meta.total_bytes > LOW_48 {
            return Err(ObjectError::TotalBytes(meta.total_bytes));
        }
        if meta.revision > LOW_48 {
            return Err(ObjectError::Revision(meta.revision));
        }
        if head > limits::OBJECT_HEAD_BYTES_MAX {
            return Err(ObjectError::Head(head));
        }
        let extra_len = u16::try_from(extra).map_err(|_| ObjectError::Extra(extra))?;
        Ok(Self {
            key: meta.key,
            total_status_kind: meta.total_bytes
                | u64::from(meta.status) << 48
                | (meta.kind as u64) << 58,
            revision_extra: meta.revision | u64::from(extra_len) << 48,
            scope: meta.scope,
            stored_at_secs: meta.stored_at_secs,
            fresh_secs: meta.fresh_secs,
            stale_while_revalidate_secs: meta.stale_while_revalidate_secs,
            stale_if_error_secs: meta.stale_if_error_secs,
            initial_age_secs: meta.initial_age_secs,
            head_len: head as u32,
            path_len: u16::try_from(path).map_err(|_| ObjectError::Path(path))?,
            flags: meta.flags,
        })
    }

    #[inline]
    fn unpack(&self) -> Meta {
        Meta {
            key: self.key,
            kind: self.kind(),
            status: (self.total_status_kind >> 48) as u16 & 0x3ff,
            flags: self.flags,
            scope: self.scope,
            stored_at_secs: self.stored_at_secs,
            fresh_secs: self.fresh_secs,
            stale_while_revalidate_secs: self.stale_while_revalidate_secs,
            stale_if_error_secs: self.stale_if_error_secs,
            initial_age_secs: self.initial_age_secs,
            total_bytes: self.total_status_kind & LOW_48,
            revision: self.revision_extra & LOW_48,
        }
    }

    #[inline]
    fn kind(&self) -> ObjectKind {
        match self.total_status_kind >> 58 {
            0 => ObjectKind::Whole,
            1 => ObjectKind::Head,
            2 => ObjectKind::Chunk,
            _ => ObjectKind::VaryMarker,
        }
    }

    #[inline]
    fn extra_len(&self) -> u16 {
        (self.revision_extra >> 48) as u16
    }
}

/// What it costs to keep an object whose parts are `len` bytes together.
#[inline]
pub(crate) const fn kept_bytes(len: u64) -> u64 {
    const PACKED: u64 = size_of::<Packed>() as u64;
    allocated_bytes(BLOCK_OVERHEAD_BYTES as u64 + PACKED + len)
        + limits::INDEX_BYTES_PER_OBJECT as u64
}

/// What glibc's malloc really takes for a request: 8 bytes of its own, rounded up to 16.
#[inline]
const fn allocated_bytes(requested: u64) -> u64 {
    (requested + 8).next_multiple_of(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> Meta {
        Meta {
            kind: ObjectKind::Chunk,
            status: 206,
            flags: ObjectFlags::ERROR.with(ObjectFlags::NO_STALE),
            scope: 1,
            stored_at_secs: 2,
            fresh_secs: 3,
            stale_while_revalidate_secs: 4,
            stale_if_error_secs: Meta::UNTIL_EVICTED,
            initial_age_secs: 5,
            total_bytes: LOW_48,
            revision: LOW_48 - 1,
            ..Meta::new(CacheKey::from_bits(u128::MAX - 1))
        }
    }

    #[test]
    fn an_object_returns_what_was_put_into_it() {
        let object =
            Object::new(&meta(), b"/path?q", b"extra", b"head", &[b"bo", b"", b"dy"]).unwrap();
        assert_eq!(object.meta(), meta());
        assert_eq!(object.key(), meta().key);
        assert_eq!(object.kind(), ObjectKind::Chunk);
        assert_eq!(object.path(), b"/path?q");
        assert_eq!(object.extra(), b"extra");
        assert_eq!(object.head(), b"head");
        assert_eq!(object.body(), b"body");
        assert_eq!(&object.body_bytes()[..], b"body");
    }

    #[test]
    fn another_meta_keeps_the_bytes() {
        let object = Object::new(&meta(), b"/p", b"e", b"h", &[b"b"]).unwrap();
        let refreshed = object
            .with_meta(&Meta {
                fresh_secs: 60,
                ..meta()
            })
            .unwrap();
        assert_eq!(
            refreshed.meta(),
            Meta {
                fresh_secs: 60,
                ..meta()
            }
        );
        assert_eq!(
            (refreshed.path(), refreshed.body()),
            (&b"/p"[..], &b"b"[..])
        );
    }

    #[test]
    fn parts_that_the_format_cannot_hold_are_refused_by_name() {
        let long = vec![0; 1 << 16];
        let try_new = |meta: &Meta, path, extra| Object::new(meta, path, extra, b"", &[]).err();
        assert_eq!(
            try_new(&meta(), &long, b""),
            Some(ObjectError::Path(1 << 16))
        );
        assert_eq!(
            try_new(&meta(), b"", &long),
            Some(ObjectError::Extra(1 << 16))
        );
        for (wrong, error) in [
            (
                Meta {
                    status: 1000,
                    ..meta()
                },
                ObjectError::Status(1000),
            ),
            (
                Meta {
                    status: 99,
                    ..meta()
                },
                ObjectError::Status(99),
            ),
            (
                Meta {
                    total_bytes: 1 << 48,
                    ..meta()
                },
                ObjectError::TotalBytes(1 << 48),
            ),
            (
                Meta {
                    revision: 1 << 48,
                    ..meta()
                },
                ObjectError::Revision(1 << 48),
            ),
        ] {
            assert_eq!(try_new(&wrong, b"", b""), Some(error));
        }
    }

    #[test]
    fn an_empty_object_is_possible() {
        let object = Object::new(&Meta::new(CacheKey::from_bits(0)), b"", b"", b"", &[]).unwrap();
        assert!(object.body().is_empty());
        assert!(object.body_bytes().is_empty());
    }
}
