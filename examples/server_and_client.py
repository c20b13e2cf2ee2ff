"""A server of one process and its client: the calls of Reranker, over HTTP."""

import socket
import subprocess
import sys

from resift import Client

DOCUMENTS = [
    "Berlin has 3.7 million inhabitants.",
    "Paris is the capital of France.",
    {"title": "Lyon", "text": "Lyon is known for its cooking."},
]

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]

# In a shell: resift serve --port 8000. Here it is quiet and ends with this program.
command = [sys.executable, "-m", "resift.cli", "serve", "--port", str(port), "--threads", "1"]
server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
try:
    # While the server loads its model, nobody answers: the client tries again, for as long as `timeout`.
    with Client(f"http://127.0.0.1:{port}", scores="sigmoid", retries=100, timeout=120) as client:
        ranking = client.rank("What is the capital of France?", DOCUMENTS, top_k=2)
        for hit in ranking:
            print(f"{hit.score:.3f}", hit.document)
        print(f"{ranking.info.model}, {ranking.tokens} tokens, {ranking.timings['total']:.1f} ms in the server")
        print("raw scores:", client.with_options(scores="raw").score([("capital", text) for text in DOCUMENTS]))
finally:
    server.terminate()
    server.wait(60)
