"""A directory tree like that of a real site. The same on every run: bytes follow from names."""

import binascii
import hashlib
import struct
import urllib.parse
import zlib

MIB = 1 << 20

PARAGRAPH = (
    "<p>Water flows downhill, and so do requests: from the viewer to the edge, and from the edge "
    "to the origin, unless the edge has kept what was asked for before.</p>\n"
)


def noise(name, size):
    """Bytes that no coding makes smaller."""
    block = b"".join(
        hashlib.sha256(f"{name} {index}".encode()).digest() for index in range(2048)
    )
    # Blocks differ, so that a chunk in another's place is seen.
    parts = (index.to_bytes(8, "big") + block for index in range(size // (len(block) + 8) + 1))
    return b"".join(parts)[:size]


def png(width, height):
    """A valid picture of noise."""

    def chunk(kind, data):
        checksum = binascii.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    pixels = noise("png", width * height * 3)
    rows = b"".join(
        b"\0" + pixels[row * width * 3 : (row + 1) * width * 3] for row in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def page(title, paragraphs):
    text = f"<!doctype html>\n<title>{title}</title>\n" + PARAGRAPH * paragraphs
    return text.encode()


def files():
    """Paths below the root and their bytes."""
    tree = {
        "index.html": page("Home", 20),
        "about.html": page("About", 200),
        "docs/index.html": page("Documents", 10),
        "docs/deep/er/page.html": page("Deep", 7),
        "errors/404.html": page("Not here", 12),
        "css/app.css": b"body { margin: 0; padding: 0 }\n" * 700,
        "js/app.js": b"export const answer = () => 42;\n" * 3000,
        "data/list.json": b"[" + b'{"name":"a","size":1},' * 5000 + b"0]",
        "images/logo.png": png(64, 64),
        "images/large.png": png(700, 500),
        "images/photo.jpg": b"\xff\xd8\xff\xe0" + noise("photo", 300_000),
        "images/icon.svg": b"<svg xmlns='http://www.w3.org/2000/svg'>"
        + b"<rect width='1' height='1'/>" * 200 + b"</svg>",
        "empty.txt": b"",
        "one.txt": b"1",
        "no-extension": noise("none", 5000),
        "with space.txt": b"The name has a space.\n" * 60,
        "\u00fcn\u00efcode/\u4e2d.txt": b"The name is not ASCII.\n" * 60,
        "a+b&c=d;e,f'g(h)!.txt": b"The name has what URLs may hold.\n",
        "large/50m.bin": noise("50m", 50 * MIB),
        "large/9m.txt": b"compressible text, line by line\n" * (9 * MIB // 32),
    }
    # On both sides of the sizes at which an object becomes chunks.
    for size in (MIB - 1, MIB, MIB + 1, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 3 * MIB + 12_345):
        tree[f"sizes/{size}.bin"] = noise(str(size), size)
    for index in range(200):
        tree[f"many/{index:03}.txt"] = f"file {index}\n".encode() * (index + 1)
    return tree


def write(root):
    """Writes the tree and returns it."""
    tree = files()
    for path, content in tree.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return tree


def url_path(path):
    return "/" + urllib.parse.quote(path, safe="/+&=;,'()!")
