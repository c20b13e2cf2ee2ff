"""Long documents: nothing is cut in silence, and windows say where in the document the answer is."""

from resift import Reranker, Windows

PARAGRAPH = "The committee met again in spring and postponed the matter of the bridge to its next session. "
ANSWER = "To enter the archive, show your library card at the south gate before five o'clock. "
DOCUMENT = PARAGRAPH * 40 + ANSWER + PARAGRAPH * 20
QUERY = "how do I get into the archive"

with Reranker() as reranker:
    cut = reranker.rank(QUERY, [DOCUMENT])[0]
    print(f"first {reranker.info.max_length} tokens only: score {cut.score:.4f}, truncated: {cut.truncated}")

    windowed = reranker.with_options(windows=Windows(size=64, overlap=16))
    found = windowed.rank(QUERY, [DOCUMENT])[0]
    print(f"in windows: score {found.score:.4f}, truncated: {found.truncated}")

    window = found.window
    print(f"window {window.index + 1} of {window.count} won, characters {window.start} to {window.end}:")
    print(f"  ...{DOCUMENT[window.start : window.end]}...")
