#!/usr/bin/env python3
"""A web server that misbehaves on request. Says its port on stdout, then a line for every request that it gets."""
import http.server
import ssl
import sys
import threading

CONTENT = b"0123456\n" * 1000
seen = {}
lock = threading.Lock()


def say(text):
    with lock:
        print(text, flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.split("?")[0]
        with lock:
            seen[path] = seen.get(path, 0) + 1
        say("GET " + path)
        self.close_connection = True
        getattr(self, "do" + path.replace("/", "_").replace("-", "_"), self.missing)(path)

    def answer(self, status, body, length=None, **headers):
        self.send_response(status)
        if length != "none":
            self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def missing(self, path):
        self.answer(404, b"this page must not end up in a cache")

    def do_ok(self, path):
        self.answer(200, CONTENT)

    def do_empty(self, path):
        self.answer(200, b"")

    def do_no_length(self, path):
        self.answer(200, CONTENT, "none")

    def do_moved(self, path):
        self.answer(302, b"moved, and this is not the content", Location="/ok")

    def do_loop(self, path):
        self.answer(302, b"", Location="/loop")

    def do_to_file(self, path):
        self.answer(302, b"", Location="file:///etc/hostname")

    def do_to_http(self, path):
        self.answer(302, b"", Location=self.path.split("?")[1])

    def do_flaky(self, path):
        self.answer(503, b"not now") if seen[path] <= 2 else self.do_ok(path)

    def do_down(self, path):
        self.answer(503, b"not now")

    def do_truncated(self, path):
        self.answer(200, CONTENT[:4000], len(CONTENT))

    def do_truncated_once(self, path):
        self.answer(200, b"wrong" * 100, len(CONTENT)) if seen[path] == 1 else self.do_ok(path)

    def do_chunked_truncated(self, path):
        self.answer(200, b"100\r\n" + CONTENT[:256] + b"\r\n", "none", **{"Transfer-Encoding": "chunked"})

    def do_stall(self, path):
        self.answer(200, b"", len(CONTENT))
        threading.Event().wait()

    def do_endless(self, path):
        self.answer(200, b"", "none")
        while True:
            self.wfile.write(CONTENT)

    def cut_first(self, path, *rest, **headers):
        """Half of it under a tag, then what the server makes of the request for the rest."""
        if seen[path] == 1:
            self.answer(200, CONTENT[:4000], len(CONTENT), ETag='"one"')
        else:
            say("Range: %s If-Range: %s" % (self.headers["Range"], self.headers["If-Range"]))
            self.answer(*rest, **headers)

    def do_cut(self, path):
        self.cut_first(path, 206, CONTENT[4000:], **{"ETag": '"one"', "Content-Range": "bytes 4000-7999/8000"})

    def do_cut_ignored(self, path):
        self.cut_first(path, 200, CONTENT, ETag='"two"')

    def do_cut_shifted(self, path):
        if seen[path] > 2:
            return self.do_ok(path)
        self.cut_first(path, 206, CONTENT[3999:], **{"ETag": '"one"', "Content-Range": "bytes 3999-7999/8000"})

    def do_cut_shorter(self, path):
        if seen[path] > 2:
            return self.do_ok(path)
        self.cut_first(path, 206, CONTENT[4000:5000], **{"ETag": '"one"', "Content-Range": "bytes 4000-4999/8000"})

    def do_cut_retagged(self, path):
        if seen[path] > 2:
            return self.do_ok(path)
        self.cut_first(path, 206, b"x" * 4000, **{"ETag": '"two"', "Content-Range": "bytes 4000-7999/8000"})

    def do_cut_grown(self, path):
        if seen[path] > 2:
            return self.do_ok(path)
        self.cut_first(path, 206, b"x" * 4008, **{"ETag": '"one"', "Content-Range": "bytes 4000-8007/8008"})

    def do_cut_redated(self, path):
        """Knows no tags, and looks at no If-Range."""
        if seen[path] > 2:
            return self.do_ok(path)
        if seen[path] == 1:
            return self.answer(200, CONTENT[:4000], len(CONTENT), **{"Last-Modified": "Thu, 01 Jan 2015 00:00:00 GMT"})
        say("Range: %s If-Range: %s" % (self.headers["Range"], self.headers["If-Range"]))
        newer = {"Last-Modified": "Fri, 02 Jan 2015 00:00:00 GMT", "Content-Range": "bytes 4000-7999/8000"}
        self.answer(206, b"x" * 4000, **newer)

    def do_cut_nameless(self, path):
        if seen[path] > 2:
            return self.do_ok(path)
        self.cut_first(path, 206, b"x" * 4000)

    def do_cut_refused(self, path):
        if seen[path] > 2:
            return self.do_ok(path)
        self.cut_first(path, 416, b"no such range")

    def do_cut_weak(self, path):
        if seen[path] == 1:
            return self.answer(200, CONTENT[:4000], len(CONTENT), ETag='W/"one"')
        say("Range: %s" % self.headers["Range"])
        self.do_ok(path)

    def do_gate(self, path):
        """Half of it, then the rest when a byte comes on stdin."""
        self.answer(200, CONTENT[:4000], len(CONTENT))
        self.wfile.flush()
        say("half")
        sys.stdin.buffer.raw.read(1)
        self.wfile.write(CONTENT[4000:])

    def log_message(self, *ignored):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # clients that hang up are what the tests are about


server = Server(("127.0.0.1", 0), Handler)
if len(sys.argv) > 1:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    server.socket = context.wrap_socket(server.socket, server_side=True)
say(server.server_address[1])
server.serve_forever()
