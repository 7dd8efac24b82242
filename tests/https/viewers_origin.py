"""An origin that tells what arrived: bodies by their digest, heads as they are, and files of any
size, in parts where parts are asked for."""

import hashlib
import json
import random
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def noise(size):
    """Always the same bytes for a size."""
    return random.Random(size).randbytes(size)


class ViewersOrigin:
    """`/bytes/N` is a file, `/head` the request's head as JSON, and any other path tells, as JSON,
    method, path, and the body's size and SHA-256."""

    def __init__(self, delay_secs=0):
        self.requests = []
        self.lock = threading.Lock()
        self.files = {}
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = self.body()
                time.sleep(delay_secs)
                with origin.lock:
                    origin.requests.append(self.path)
                if size := re.fullmatch(r"/bytes/(\d+)(?:\?.*)?", self.path):
                    return self.send_file(origin.file(int(size.group(1))))
                told = {"method": self.command, "path": self.path, "size": len(body),
                        "sha256": hashlib.sha256(body).hexdigest()}
                if self.path.startswith("/head"):
                    told["head"] = [(name.lower(), value) for name, value in self.headers.items()]
                return self.send(200, json.dumps(told).encode(), "no-store")

            do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET

            def body(self):
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                while self.rfile.readline().strip():
                    pass
                return b"".join(parts)

            def send_file(self, content):
                part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
                if part is None or int(part[1]) >= len(content):
                    return self.send(200, content, "max-age=3600")
                first = int(part[1])
                last = min(int(part[2] or len(content) - 1), len(content) - 1)
                return self.send(206, content[first:last + 1], "max-age=3600", {
                    "Content-Range": f"bytes {first}-{last}/{len(content)}"})

            def send(self, status, content, cache, more=()):
                self.send_response(status)
                headers = {"Cache-Control": cache, "Content-Length": str(len(content)),
                           "Content-Type": "application/octet-stream", "Accept-Ranges": "bytes",
                           "ETag": '"1"', "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
                for name, value in {**headers, **dict(more)}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_):
                """The edge may go away in the middle."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def file(self, size):
        with self.lock:
            return self.files.setdefault(size, noise(size))

    def asked(self, path):
        """How often that was asked for."""
        with self.lock:
            return self.requests.count(path)

    def kill(self):
        self.server.shutdown()
        self.server.server_close()
