//! Uploads of parts.

use std::slice;

use buckets::{
    disk::{
        Algorithm, ChecksumKind, CompleteRequest, Condition, Disk, DiskError, Part, PartChoice,
        Upload, UploadRequest, UploadsRequest,
    },
    limits,
};
use bytes::Bytes;

use crate::world::{BUCKET, World, get, with_bucket, written};

const MIN: usize = limits::PART_BYTES_MIN as usize;

fn upload(key: &str) -> UploadRequest {
    UploadRequest {
        bucket: BUCKET.into(),
        key: key.into(),
        owner: "me".into(),
        ..UploadRequest::default()
    }
}

async fn begin(world: &World, request: UploadRequest) -> Upload {
    world
        .disk
        .create_upload(request, world.tick())
        .await
        .unwrap()
}

async fn put(disk: &Disk, upload: &Upload, number: u32, bytes: Vec<u8>) -> Result<Part, DiskError> {
    let mut staged = disk.stage(upload.algorithm);
    staged.write(bytes.into()).await.unwrap();
    let written = staged.finish().await.unwrap();
    disk.put_part(BUCKET, &upload.key, &upload.id, number, written, 5)
        .await
}

fn completion(upload: &Upload, parts: &[Part]) -> CompleteRequest {
    let choice = |part: &Part| PartChoice {
        number: part.number,
        etag: part.etag.clone(),
        checksum: Some(part.checksum.value.clone()),
    };
    CompleteRequest {
        bucket: BUCKET.into(),
        key: upload.key.clone(),
        upload_id: upload.id.clone(),
        parts: parts.iter().map(choice).collect(),
        ..CompleteRequest::default()
    }
}

#[test]
fn parts_in_any_order_become_one_object_without_being_copied() {
    with_bucket(async |world| {
        let mut request = upload("big");
        request.attributes.content_type = Some("video/mp4".into());
        request.tags = vec![("k".into(), "v".into())];
        let upload = begin(&world, request).await;
        let bytes: Vec<u8> = (0..2 * MIN + 9)
            .map(|number| (number % 249) as u8)
            .collect();
        let last = put(&world.disk, &upload, 9, bytes[2 * MIN..].to_vec())
            .await
            .unwrap();
        let first = put(&world.disk, &upload, 2, bytes[..MIN].to_vec())
            .await
            .unwrap();
        let second = put(&world.disk, &upload, 4, bytes[MIN..2 * MIN].to_vec())
            .await
            .unwrap();
        assert_eq!(world.get("big").await, Err(DiskError::NoSuchKey));
        let parts = [first, second, last];
        let done = world
            .disk
            .complete_upload(completion(&upload, &parts), 8)
            .await
            .unwrap();
        assert_eq!((done.size_bytes, done.modified_ms), (bytes.len() as u64, 8));
        assert!(done.etag.ends_with("-3"));
        assert_eq!(world.files(), (3, 0));
        let world = world.reopened();
        let (info, read) = get(&world.disk, BUCKET, "big", None).await.unwrap();
        assert!(read == bytes);
        assert_eq!((info.etag, info.parts_count), (done.etag, Some(3)));
        assert_eq!(info.attributes.content_type.as_deref(), Some("video/mp4"));
        assert_eq!(info.tags.len(), 1);
        // A range over the seam.
        let (_, body) = world.disk.open_object(BUCKET, "big", None).await.unwrap();
        let range = MIN - 2..MIN + 3;
        let mut chunks = body.read(range.start as u64..range.end as u64);
        let mut read = Vec::new();
        while let Some(chunk) = chunks.next().await {
            read.extend_from_slice(&chunk.unwrap());
        }
        assert_eq!(read, bytes[range]);
        // The checksum is that of the bytes at once.
        let whole = written(&world.disk, bytes).await.checksum().clone();
        assert_eq!(info.checksum, whole);
        let kept = world
            .disk
            .object_parts(BUCKET, "big", None, 1, 9)
            .await
            .unwrap();
        let sizes: Vec<_> = kept
            .iter()
            .map(|part| (part.number, part.size_bytes))
            .collect();
        assert_eq!(sizes, [(2, MIN as u64), (3, 9)]);
        assert_eq!(kept[1].checksum, parts[2].checksum);
        let none = world.disk.upload(BUCKET, "big", &upload.id).await;
        assert_eq!(none, Err(DiskError::NoSuchUpload));
        world.delete("big", None).await;
        world.delete("big", None).await;
        assert_eq!(world.files(), (0, 0));
    });
}

#[test]
fn etags_and_checksums_of_parts_are_put_together_as_s3_does() {
    with_bucket(async |world| {
        // From Python's hashlib and zlib, for 5 MiB of zeros and an "x".
        let composite = "Vwomm9rf9z+rJUYo3ULXM1uL0Hjd0xh1U3HroVs6A5c=-2";
        let cases = [
            (Algorithm::Sha256, None, ChecksumKind::Composite, composite),
            (
                Algorithm::Crc32,
                Some(ChecksumKind::FullObject),
                ChecksumKind::FullObject,
                "rHqogw==",
            ),
        ];
        for (algorithm, asked, kind, value) in cases {
            let request = UploadRequest {
                algorithm,
                checksum_kind: asked,
                ..upload("a")
            };
            let upload = begin(&world, request).await;
            let one = put(&world.disk, &upload, 1, vec![0; MIN]).await.unwrap();
            let two = put(&world.disk, &upload, 2, b"x".to_vec()).await.unwrap();
            let mut request = completion(&upload, &[one, two]);
            request.checksum = Some("AAAAAA==".into());
            let refused = world.disk.complete_upload(request.clone(), 1).await;
            assert_eq!(refused, Err(DiskError::BadDigest(algorithm.as_str())));
            request.checksum = Some(value.trim_end_matches("-2").into());
            request.size_bytes = Some(MIN as u64 + 1);
            let done = world.disk.complete_upload(request, 1).await.unwrap();
            assert_eq!(done.etag, "912fbcd7e22cf02ae1c8f7f09b6ac317-2");
            assert_eq!(
                (done.checksum.kind, done.checksum.value.as_str()),
                (kind, value)
            );
        }
        let impossible = UploadRequest {
            algorithm: Algorithm::Sha1,
            checksum_kind: Some(ChecksumKind::FullObject),
            ..upload("a")
        };
        let refused = world.disk.create_upload(impossible, 1).await;
        assert!(matches!(
            refused,
            Err(DiskError::Invalid {
                field: "checksum type",
                ..
            })
        ));
    });
}

#[test]
fn what_does_not_fit_is_refused_and_the_upload_stays() {
    with_bucket(async |world| {
        let upload = begin(&world, upload("a")).await;
        let one = put(&world.disk, &upload, 1, vec![1; MIN - 1])
            .await
            .unwrap();
        let two = put(&world.disk, &upload, 2, vec![2; 1]).await.unwrap();
        let complete = |parts: &[Part]| world.disk.complete_upload(completion(&upload, parts), 1);
        assert_eq!(
            complete(&[one.clone(), two.clone()]).await,
            Err(DiskError::PartTooSmall(1))
        );
        assert_eq!(
            complete(&[two.clone(), one.clone()]).await,
            Err(DiskError::InvalidPartOrder)
        );
        let twice = complete(&[one.clone(), one.clone()]).await;
        assert_eq!(twice, Err(DiskError::InvalidPartOrder));
        assert!(matches!(
            complete(&[]).await,
            Err(DiskError::Invalid { field: "parts", .. })
        ));
        let mut other = one.clone();
        other.etag = two.etag.clone();
        assert_eq!(complete(&[other]).await, Err(DiskError::InvalidPart(1)));
        let mut other = one.clone();
        other.checksum = two.checksum.clone();
        assert_eq!(complete(&[other]).await, Err(DiskError::InvalidPart(1)));
        let mut other = one.clone();
        other.number = 7;
        assert_eq!(complete(&[other]).await, Err(DiskError::InvalidPart(7)));
        let mut request = completion(&upload, slice::from_ref(&one));
        request.size_bytes = Some(1);
        assert!(
            world
                .disk
                .complete_upload(request.clone(), 1)
                .await
                .is_err()
        );
        request.size_bytes = None;
        request.condition = Condition::Matches("*".into());
        assert_eq!(
            world.disk.complete_upload(request, 1).await,
            Err(DiskError::NoSuchKey)
        );
        for number in [0, 10_001] {
            let refused = put(&world.disk, &upload, number, vec![]).await;
            assert!(matches!(
                refused,
                Err(DiskError::Invalid {
                    field: "part number",
                    ..
                })
            ));
        }
        let mut staged = world.disk.stage(Algorithm::Sha1);
        staged.write(Bytes::from_static(b"1")).await.unwrap();
        let other = staged.finish().await.unwrap();
        let refused = world
            .disk
            .put_part(BUCKET, "a", &upload.id, 1, other, 1)
            .await;
        assert!(matches!(
            refused,
            Err(DiskError::Invalid {
                field: "checksum algorithm",
                ..
            })
        ));
        // The part that is not chosen goes with the upload.
        complete(&[one]).await.unwrap();
        world.delete("none", None).await;
        assert_eq!(world.files(), (1, 0));
        assert_eq!(complete(&[two]).await, Err(DiskError::NoSuchUpload));
    });
}

#[test]
fn a_part_that_is_put_again_replaces_the_first() {
    with_bucket(async |world| {
        let upload = begin(&world, upload("a")).await;
        let old = put(&world.disk, &upload, 1, b"old".to_vec()).await.unwrap();
        let new = put(&world.disk, &upload, 1, b"new".to_vec()).await.unwrap();
        let complete = |part| world.disk.complete_upload(completion(&upload, &[part]), 1);
        assert_eq!(complete(old).await, Err(DiskError::InvalidPart(1)));
        complete(new).await.unwrap();
        assert_eq!(world.get("a").await.unwrap(), b"new");
        assert_eq!(world.files(), (1, 0));
    });
}

#[test]
fn parts_are_listed_by_number_in_pages() {
    with_bucket(async |world| {
        let upload = begin(&world, upload("a")).await;
        for number in [7, 1, 3] {
            put(&world.disk, &upload, number, vec![0; number as usize])
                .await
                .unwrap();
        }
        let page = |after, max| world.disk.list_parts(BUCKET, "a", &upload.id, after, max);
        let first = page(0, 2).await.unwrap();
        assert_eq!(
            first
                .parts
                .iter()
                .map(|part| part.number)
                .collect::<Vec<_>>(),
            [1, 3]
        );
        assert_eq!((first.next, &first.upload), (Some(3), &upload));
        let rest = page(3, 2).await.unwrap();
        assert_eq!((rest.parts[0].size_bytes, rest.next), (7, None));
        let other_key = world.disk.list_parts(BUCKET, "b", &upload.id, 0, 2).await;
        assert_eq!(other_key, Err(DiskError::NoSuchUpload));
    });
}

#[test]
fn uploads_are_listed_by_key_and_age_in_pages() {
    with_bucket(async |world| {
        let mut all = Vec::new();
        for key in ["a", "a", "a/1", "a/2", "b"] {
            all.push(begin(&world, upload(key)).await);
        }
        for max_entries in 1..6 {
            let mut request = UploadsRequest {
                max_entries,
                ..UploadsRequest::default()
            };
            let mut seen = Vec::new();
            loop {
                let page = world
                    .disk
                    .list_uploads(BUCKET, request.clone())
                    .await
                    .unwrap();
                seen.extend(page.uploads);
                let Some((key, id)) = page.next else {
                    break;
                };
                (request.after_key, request.after_upload) = (Some(key), id);
            }
            assert_eq!(seen, all);
        }
        let request = UploadsRequest {
            delimiter: Some("/".into()),
            max_entries: 9,
            ..UploadsRequest::default()
        };
        let page = world.disk.list_uploads(BUCKET, request).await.unwrap();
        assert_eq!(
            (page.uploads.len(), page.common_prefixes),
            (3, vec!["a/".to_owned()])
        );
    });
}

#[test]
fn an_upload_that_is_aborted_or_forgotten_leaves_nothing() {
    with_bucket(async |world| {
        let aborted = begin(&world, upload("a")).await;
        let forgotten = begin(&world, upload("b")).await;
        let recent = world
            .disk
            .create_upload(upload("c"), 1_000_000)
            .await
            .unwrap();
        for upload in [&aborted, &forgotten, &recent] {
            put(&world.disk, upload, 1, b"x".to_vec()).await.unwrap();
        }
        world
            .disk
            .abort_upload(BUCKET, "a", &aborted.id)
            .await
            .unwrap();
        let again = world.disk.abort_upload(BUCKET, "a", &aborted.id).await;
        assert_eq!(again, Err(DiskError::NoSuchUpload));
        let late = put(&world.disk, &aborted, 2, b"x".to_vec()).await;
        assert_eq!(late, Err(DiskError::NoSuchUpload));
        let week_ms = limits::UPLOAD_AGE_MS_MAX;
        assert_eq!(
            world
                .disk
                .sweep_uploads(forgotten.started_ms + week_ms)
                .await,
            Ok(0)
        );
        assert_eq!(
            world
                .disk
                .sweep_uploads(forgotten.started_ms + week_ms + 1)
                .await,
            Ok(1)
        );
        assert_eq!(world.disk.sweep_uploads(0).await, Ok(0));
        assert_eq!(world.files(), (1, 0));
        // Also when the directory is opened.
        world.now_ms.set(recent.started_ms + week_ms + 1);
        let world = world.reopened();
        assert_eq!(world.files(), (0, 0));
        let gone = world.disk.upload(BUCKET, "c", &recent.id).await;
        assert_eq!(gone, Err(DiskError::NoSuchUpload));
    });
}
