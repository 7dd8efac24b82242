"""An origin whose every answer is new: what is old was stored by somebody."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Origin:
    """Answers `PATH N`, where N counts its answers; `headers` are those of all of them."""

    def __init__(self, **headers):
        self.headers = {"Cache-Control": "max-age=3600", **headers}
        self.by_path = {}
        self.requests = []
        self.lock = threading.Lock()
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = origin.answer(self).encode()
                headers = {**origin.headers, **origin.by_path.get(self.path, {})}
                self.send_response(200)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_POST = do_GET

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request):
        with self.lock:
            self.requests.append((request.path, dict(request.headers.items())))
            return f"{request.path} {len(self.requests)}"

    def asked(self, path):
        """How often that was asked for."""
        with self.lock:
            return sum(1 for asked, _ in self.requests if asked == path)

    def kill(self):
        self.server.shutdown()
        self.server.server_close()
