//! The one allocation that an object is: a count of its owners, a length, a header, then bytes.
//!
//! ```text
//! owners (4) │ length (4) │ header H │ bytes…
//! ```
//!
//! Blocks come from the system's heap whatever the program allocates everything else from. Where
//! the program has another allocator for that (as `warmfront` has), objects lie in a heap of their
//! own: what a request needs for a moment leaves no holes between what stays for hours.

use std::alloc::{GlobalAlloc, Layout, System, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering, fence};

/// A shared, immutable block; as cheap to clone as a count, and one pointer wide.
pub(crate) struct Block<H: Copy> {
    start: NonNull<Start<H>>,
    owns: PhantomData<Start<H>>,
}

#[repr(C)]
struct Start<H> {
    owners: AtomicU32,
    length: u32,
    header: H,
}

/// Bytes of a block besides its header and its bytes.
pub(crate) const BLOCK_OVERHEAD_BYTES: usize = 2 * size_of::<u32>();

// SAFETY: a block is never changed once it is made (only its count, which is atomic), and is freed
// by whoever gives up the last share, on any thread; the system's heap allows that.
#[allow(unsafe_code)]
unsafe impl<H: Copy + Send + Sync> Send for Block<H> {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl<H: Copy + Send + Sync> Sync for Block<H> {}

impl<H: Copy> Block<H> {
    /// Copies the parts behind the header.
    #[allow(unsafe_code)]
    pub fn new<'a>(header: H, parts: impl Iterator<Item = &'a [u8]> + Clone) -> Block<H> {
        let length: usize = parts.clone().map(<[u8]>::len).sum();
        let announced = u32::try_from(length).expect("a block is shorter than 4 GiB");
        let layout = layout_of::<H>(length);
        // SAFETY: the layout is not empty, as `Start` is not.
        let start = NonNull::new(unsafe { System.alloc(layout) }.cast::<Start<H>>());
        let start = start.unwrap_or_else(|| handle_alloc_error(layout));
        let owners = AtomicU32::new(1);
        // SAFETY: the allocation is fresh, aligned for `Start` and at least as large, with
        // `length` bytes behind it. The parts are that long together: the assertion before each
        // copy keeps it within the allocation, even if the iterator gave others this time.
        unsafe {
            start.write(Start {
                owners,
                length: announced,
                header,
            });
            let bytes = bytes_of(start);
            let mut at = 0;
            for part in parts {
                assert!(
                    part.len() <= length - at,
                    "the parts are as long as when they were counted"
                );
                bytes
                    .add(at)
                    .copy_from_nonoverlapping(part.as_ptr(), part.len());
                at += part.len();
            }
            assert!(at == length, "the parts fill the block");
        }
        Block {
            start,
            owns: PhantomData,
        }
    }

    /// What precedes the bytes.
    #[inline]
    #[allow(unsafe_code)]
    pub fn header(&self) -> &H {
        // SAFETY: `start` is valid and initialised as long as this share lives, and nobody writes.
        unsafe { &self.start.as_ref().header }
    }

    /// The bytes.
    #[inline]
    #[allow(unsafe_code)]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: as for the header; `new` wrote `length` bytes there.
        unsafe {
            let length = self.start.as_ref().length as usize;
            std::slice::from_raw_parts(bytes_of(self.start), length)
        }
    }
}

impl<H: Copy> Clone for Block<H> {
    #[inline]
    #[allow(unsafe_code)]
    fn clone(&self) -> Block<H> {
        // SAFETY: this share keeps the block alive. Relaxed is enough, as for `std`'s `Arc`: the
        // new share comes from one that is there already.
        let owners = unsafe { self.start.as_ref() }
            .owners
            .fetch_add(1, Ordering::Relaxed);
        // So many shares can only be leaked ones; going on would let the count wrap.
        assert!(owners < u32::MAX / 2, "a block has too many owners");
        Block {
            start: self.start,
            owns: PhantomData,
        }
    }
}

impl<H: Copy> Drop for Block<H> {
    #[inline]
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: this share keeps the block alive until the count says that it was the last. Then
        // the fence makes every use by other shares come before, nobody else has a pointer, and
        // the layout is the one of the allocation. The header is `Copy` and needs no drop.
        unsafe {
            let start = self.start.as_ref();
            if start.owners.fetch_sub(1, Ordering::Release) == 1 {
                fence(Ordering::Acquire);
                let layout = layout_of::<H>(start.length as usize);
                System.dealloc(self.start.as_ptr().cast(), layout);
            }
        }
    }
}

/// Where the bytes of a block begin.
///
/// # Safety
/// `start` points into an allocation made by `layout_of::<H>`.
#[allow(unsafe_code)]
unsafe fn bytes_of<H>(start: NonNull<Start<H>>) -> *mut u8 {
    // SAFETY: one `Start` further is within the allocation, or just behind it when it has no bytes.
    unsafe { start.as_ptr().add(1).cast() }
}

fn layout_of<H>(length: usize) -> Layout {
    let bytes = Layout::array::<u8>(length).expect("a block is far smaller than memory");
    let (layout, _) = Layout::new::<Start<H>>().extend(bytes).expect("as above");
    layout
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(parts: &[&[u8]]) -> Block<u64> {
        Block::new(7, parts.iter().copied())
    }

    #[test]
    fn a_block_gives_back_what_was_put_into_it() {
        let block = block(&[b"ab", b"", b"cde"]);
        assert_eq!((*block.header(), block.bytes()), (7, &b"abcde"[..]));
        assert_eq!(self::block(&[]).bytes(), b"");
    }

    #[test]
    fn a_block_lives_as_long_as_its_last_share() {
        let first = block(&[b"abc"]);
        let second = first.clone();
        drop(first);
        assert_eq!(second.bytes(), b"abc");
    }

    #[test]
    fn shares_may_end_on_any_thread() {
        let block = block(&[&[1; 1_000]]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let share = block.clone();
                scope.spawn(move || {
                    for _ in 0..1_000 {
                        assert_eq!(share.clone().bytes().len(), 1_000);
                    }
                });
            }
        });
        assert_eq!(block.bytes()[999], 1);
    }
}
