"""A server to be measured in tests: `standin.py PORT [MODE]`. The score of a document is its number of words."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    mode = "right"
    turns = 0

    def do_GET(self):
        self.answer(200, b"")

    def do_POST(self):
        Handler.turns += 1
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        scores = [float(len(document.split())) for document in asked["documents"]]
        if Handler.mode == "one-wrong":
            scores[0] += 0.5
        if Handler.mode == "lost" and Handler.turns % 2:
            self.close_connection = True
            return
        if Handler.mode == "refused" and Handler.turns % 2:
            self.answer(429, b"{}")
            return
        results = [{"index": i, "relevance_score": score} for i, score in enumerate(scores)]
        if Handler.mode == "one-missing":
            results[0] = results[-1]
        self.answer(200, json.dumps({"results": results[::-1]}).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    Handler.mode = sys.argv[2] if len(sys.argv) > 2 else "right"
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
