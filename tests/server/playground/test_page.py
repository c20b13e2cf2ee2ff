"""The playground in a real browser."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.server.playground.conftest import Site, Visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
Visitor = Callable[..., Visit]

QUERY = "harbour archive key"
TEXTS = [
    "Dogs stay out.",
    "The key is lost.",
    "We open at nine. The archive needs a key today. See the harbour map.",
    "Nothing here.",
]
DOCUMENTS = "\n".join(TEXTS)
ORDER = [2, 1, 0, 3]
PROBE = '<img src=x onerror="document.title=1"><script>document.title=2</script>{name} $& \u202e'


def test_documents_are_put_in_order(site: Site, visit: Visitor) -> None:
    seen = visit(site.url)
    assert seen.page.locator("#empty").is_visible()
    seen.rank(QUERY, DOCUMENTS)
    assert seen.after() == [TEXTS[i] for i in ORDER]
    assert seen.page.locator("#before .text").all_text_contents() == TEXTS
    assert seen.page.locator("#after .move").all_text_contents() == ["↑2", "=", "↓2", "="]
    assert seen.page.locator("#lines path").count() == 4
    scores = [float(text) for text in seen.page.locator("#after .score").all_text_contents()]
    widths = seen.page.locator("#after .fill").evaluate_all("fills => fills.map(fill => parseFloat(fill.style.width))")
    assert scores == sorted(scores, reverse=True) and widths == sorted(widths, reverse=True)
    assert widths[0] == pytest.approx(100 * scores[0], abs=0.01)
    assert not seen.page.locator("#empty").is_visible()
    seen.wait_live("4 documents ranked")


def test_lines_lead_from_where_a_document_was_to_where_it_is(site: Site, visit: Visitor) -> None:
    seen = visit(site.url)
    seen.rank(QUERY, DOCUMENTS)
    found = seen.page.evaluate("""() => {
      const top = document.querySelector('#board').getBoundingClientRect().top;
      return [...document.querySelectorAll('#lines path')].map(path => {
        const [, y1, , , , , , y2] = path.getAttribute('d').match(/-?[\\d.]+/g).map(Number);
        const row = side => document.querySelector(`#${side} [data-index="${path.dataset.index}"]`);
        const box = side => row(side).getBoundingClientRect();
        return [[y1, box('before')], [y2, box('after')]].every(([y, b]) => y + top >= b.top && y + top <= b.bottom);
      });
    }""")
    assert found == [True] * 4


def test_the_sentence_that_carried_the_score_is_marked(site: Site, visit: Visitor) -> None:
    seen = visit(site.url)
    seen.rank(QUERY, DOCUMENTS)
    button = seen.page.locator("#after .result").first
    button.click()
    panel = seen.page.locator("#after .explanation")
    panel.wait_for()
    assert panel.locator(".carrier").evaluate("e => e.firstChild.textContent") == "The archive needs a key today."
    assert button.get_attribute("aria-expanded") == "true"
    verdict = panel.locator(".verdict").text_content()
    assert "falls from 0.9820 to 0.2086" in verdict and "alone it scores 0.7914" in verdict
    assert "Too few sentences" in verdict
    button.click()
    assert seen.page.locator("#after .explanation").count() == 0


def test_texts_are_shown_and_never_run(site: Site, visit: Visitor) -> None:
    seen = visit(site.url)
    title = seen.page.title()
    seen.rank(PROBE, json.dumps([PROBE, {"title": PROBE, "text": f"{PROBE}. It ends."}, 7]))
    assert seen.after()[0] == PROBE
    seen.page.locator("#after .result").first.click()
    seen.page.locator("#after .explanation").wait_for()
    for name in ("resift.Client", "requests", "curl"):
        seen.page.get_by_role("tab", name=name).click()
    assert seen.page.title() == title
    assert seen.page.locator("#results img, #results script").count() == 0
    assert seen.page.locator("#after .note.bad").text_content() == "document 2 is no text"


def test_the_content_policy_stops_what_is_inline(site: Site, visit: Visitor) -> None:
    seen = visit(site.url, errors=True)
    seen.page.evaluate("""() => {
      const script = document.createElement('script');
      script.textContent = 'document.title = "taken over"';
      document.body.append(script);
    }""")
    assert seen.page.title() != "taken over"
    assert any("Content Security Policy" in said for said in seen.said)
    assert seen.page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')") == "refused"
    seen.asked.clear()


def test_everything_by_keyboard(site: Site, visit: Visitor) -> None:
    seen = visit(site.url)
    keyboard = seen.page.keyboard
    keyboard.press("/")
    keyboard.insert_text(QUERY)
    keyboard.press("Tab")
    keyboard.insert_text(DOCUMENTS)
    with seen.page.expect_response("**/v1/rerank"):
        keyboard.press("Control+Enter")
    seen.wait_live("4 documents ranked")
    seen.page.evaluate("document.activeElement.blur()")
    keyboard.press("ArrowDown")
    keyboard.press("ArrowDown")
    keyboard.press("ArrowUp")
    assert seen.page.evaluate("document.activeElement.querySelector('.rank').textContent") == "1"
    outline = seen.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    keyboard.press("Enter")
    seen.page.locator(".explanation").wait_for()
    keyboard.press("Escape")
    assert seen.page.locator(".panel").count() == 0
    keyboard.press("?")
    assert seen.page.locator("#help").is_visible()
    keyboard.press("Escape")
    assert not seen.page.locator("#help").is_visible()


def test_every_control_has_a_name_and_can_be_reached(site: Site, visit: Visitor) -> None:
    seen = visit(site.url)
    seen.rank(QUERY, DOCUMENTS)
    reached = set()
    seen.page.evaluate("document.activeElement.blur()")
    for _ in range(60):
        seen.page.keyboard.press("Tab")
        reached.add(seen.page.evaluate("document.activeElement.id || document.activeElement.className"))
    expected = {
        "query",
        "documents",
        "rank",
        "share",
        "model",
        "read-as",
        "top-k",
        "result",
        "copy",
        "theme",
        "language",
    }
    assert expected <= reached
    unnamed = seen.page.evaluate("""() => [...document.querySelectorAll('button, input, select, textarea')].filter(e =>
      !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).map(e => e.outerHTML)""")
    assert unnamed == []


def test_chinese(site: Site, visit: Visitor) -> None:
    seen = visit(site.url, locale="zh-CN")
    assert seen.page.locator("label[for=query]").text_content() == "查询"
    seen.rank(QUERY, DOCUMENTS)
    seen.page.locator("#after .result").first.click()
    seen.page.locator(".explanation").wait_for()
    assert "分数从" in seen.page.locator(".verdict").text_content()
    seen.page.locator("#language").click()
    assert seen.page.locator("label[for=query]").text_content() == "Query"
    assert seen.page.locator("html").get_attribute("lang") == "en"
    seen.page.reload()
    seen.page.locator("#ready[data-state]").wait_for(state="attached")
    assert seen.page.locator("#rank span").text_content() == "Rank"


def test_both_languages_have_all_words(site: Site, visit: Visitor) -> None:
    seen = visit(site.url)
    words = seen.page.evaluate("import('/playground/words.js').then(module => module.keysOf())")
    assert sorted(words["en"]) == sorted(words["zh"]) and len(words["en"]) > 50
    marked = seen.page.evaluate("""() => [...document.querySelectorAll('*')]
      .flatMap(e => [e.dataset.t, e.dataset.tPlaceholder, e.dataset.tLabel]).filter(Boolean)""")
    assert set(marked) <= set(words["en"])


@pytest.mark.parametrize(
    ("text", "said", "count"),
    [
        ("one\n\ntwo\n\nthree", "3 documents, one per line", 3),
        ("one\nmore of it\n\ntwo", "2 documents, blank lines between", 2),
        ('["one", {"text": "two"}]', "2 documents, JSON", 2),
        ('{"documents": ["one", "two", "three"]}', "3 documents, JSON", 3),
        ('{"text": "one"}\n{"text": "two"}', "2 documents, JSON Lines", 2),
        ("[1] a footnote\n[2] another", "2 documents, one per line", 2),
        ("   \n ", "none yet", 0),
    ],
)
def test_the_form_of_documents_is_detected(site: Site, visit: Visitor, text: str, said: str, count: int) -> None:
    seen = visit(site.url)
    seen.page.locator("#documents").fill(text)
    assert seen.page.locator("#detected").text_content() == said
    assert not seen.page.locator("#parse-problem").is_visible()
    if count:
        seen.rank("one", text)
        assert seen.page.locator("#before li").count() == count


def test_broken_json_is_told(site: Site, visit: Visitor) -> None:
    seen = visit(site.url)
    seen.page.locator("#documents").fill('["one", "two"')
    assert "looks like JSON" in seen.page.locator("#parse-problem").text_content()
    seen.page.locator("#read-as").select_option("json")
    assert "Not JSON" in seen.page.locator("#parse-problem").text_content()


def test_options_are_sent_and_the_rest_is_said(site: Site, visit: Visitor) -> None:
    seen = visit(site.url)
    seen.page.locator("#model").select_option("large")
    seen.page.locator("#top-k").fill("2")
    seen.page.locator("label[for=scores-raw]").click()
    seen.rank(QUERY, DOCUMENTS)
    work = site.service.works[-1]
    assert (work.model, work.scores) == ("large", "raw")
    assert seen.page.locator("#after .result").count() == 2
    assert seen.page.locator("#after .rest").text_content() == "2 documents are not among the best 2"
    assert seen.page.locator("#after .score").all_text_contents()[0] == "4.00"
    with seen.page.expect_response("**/v1/rerank"):
        seen.page.locator("label[for=scores-sigmoid]").click()
    seen.page.locator("#after .score", has_text="1.0000").wait_for()


def test_what_the_server_says_is_shown(site: Site, visit: Visitor) -> None:
    seen = visit(site.url, errors=True)
    seen.rank(QUERY, "\n".join(["a text"] * 51))
    assert seen.page.locator("#error-title").text_content() == "The server answered 413"
    assert "51" in seen.page.locator("#error-text").text_content()
    seen.page.locator("#documents").fill("")
    seen.page.locator("#rank").click()
    assert "at least one document" in seen.page.locator("#error-text").text_content()
    assert seen.page.evaluate("document.activeElement.id") == "documents"
    seen.rank(QUERY, DOCUMENTS)
    assert not seen.page.locator("#error").is_visible()


def test_a_ranking_can_be_stopped(site: Site, visit: Visitor) -> None:
    go_on = site.hold()
    try:
        seen = visit(site.url)
        seen.fill(QUERY, DOCUMENTS)
        with seen.page.expect_request("**/v1/rerank"):
            seen.page.locator("#rank").click()
        assert seen.page.locator("#rank span").text_content() == "Stop"
        seen.page.keyboard.press("Escape")
        seen.wait_live("Stopped.")
        assert seen.page.locator("#rank span").text_content() == "Rank"
    finally:
        go_on()


def test_a_key_is_asked_for_and_kept_in_the_tab_only(locked: Site, visit: Visitor) -> None:
    seen = visit(locked.url, errors=True, viewport={"width": 1100, "height": 700})
    seen.page.locator("#key:focus").wait_for()
    title = seen.page.locator("#error-title")
    assert title.text_content() == "This server wants an API key"
    assert seen.page.evaluate("scrollY") == 0  # field and reason are in sight together
    seen.page.locator("#key").fill("wrong")
    with seen.page.expect_response("**/v1/models"):
        seen.page.locator("#query").focus()
    assert seen.page.evaluate("document.activeElement.id") == "query"
    seen.fill(QUERY, DOCUMENTS)
    for key, status in (("wrong", 401), ("secret-key", 200)):  # the click that ends the writing is not lost
        seen.page.locator("#key").fill(key)
        with seen.page.expect_response("**/v1/rerank") as answer:
            seen.page.locator("#rank").click()
        assert answer.value.status == status
    seen.wait_live("4 documents ranked")
    seen.page.locator("#key").fill("")
    seen.page.locator("#key").press("Tab")
    seen.rank(QUERY, DOCUMENTS)
    assert title.text_content() == "This server wants an API key"
    with seen.page.expect_response("**/v1/models"):
        seen.page.locator("#key").fill("secret-key")
        seen.page.locator("#key").press("Tab")
    seen.page.locator("#model option").first.wait_for(state="attached")
    seen.rank(QUERY, DOCUMENTS)
    assert seen.after()[0] == TEXTS[ORDER[0]]
    code = seen.page.locator("#code").text_content()
    assert "$RESIFT_API_KEY" in code and "secret-key" not in code
    seen.page.locator("#share").click()
    seen.page.wait_for_url(re.compile("#."))
    kept = seen.page.evaluate("[JSON.stringify({...localStorage}), JSON.stringify({...sessionStorage}), location.href]")
    assert "secret-key" not in kept[0] + kept[2] and "secret-key" in kept[1]


def test_a_link_brings_everything_back_and_sends_no_text(site: Site, visit: Visitor) -> None:
    seen = visit(site.url)
    seen.page.locator("#top-k").fill("3")
    seen.page.locator("label[for=scores-raw]").click()
    seen.fill("港口 🗝", DOCUMENTS)
    seen.page.locator("#share").click()
    seen.page.wait_for_url(re.compile("#."))
    link = seen.page.url
    assert all("#" not in asked and "Dogs" not in asked for asked in seen.asked)
    other = visit(link)
    other.wait_live("documents ranked")
    assert other.page.locator("#query").input_value() == "港口 🗝"
    assert other.page.locator("#documents").input_value() == DOCUMENTS
    assert other.page.locator("#top-k").input_value() == "3"
    assert other.page.locator("#after .result").count() == 3
    broken = visit(site.url + "#not-a-state")
    assert broken.page.locator("#query").input_value() == ""


def test_the_calls_on_screen_do_what_the_page_did(site: Site, visit: Visitor, tmp_path: Any) -> None:
    seen = visit(site.url)
    documents = [
        'it\'s a "key" \\ $HOME `x`',
        {"text": "the archive", "price": 1.5, "new": True, "old": None},
        "钥匙 🗝",
    ]
    seen.page.locator("#top-k").fill("2")
    seen.rank("harbour's archive key", json.dumps(documents))
    asked = site.service.works[-1]
    code = {}
    for name in ("curl", "resift.Client", "requests"):
        seen.page.get_by_role("tab", name=name).click()
        code[name] = seen.page.locator("#code").text_content()
    body = re.search(r"-d '(.*)'$", code["curl"], re.DOTALL).group(1).replace("'\\''", "'")  # type: ignore[union-attr]
    assert json.loads(body)["documents"] == documents and json.loads(body)["top_n"] == 2
    said: list[Any] = []
    program = code["resift.Client"].replace("print(", "said.append(")
    exec(compile(program, "client", "exec"), {"said": said})
    assert site.service.works[-1].pairs == asked.pairs
    assert (site.service.works[-1].scores, site.service.works[-1].model) == (asked.scores, asked.model)
    assert len(said) == 2 and "the archive" in said[0]
    compile(code["requests"], "requests", "exec")


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_nothing_overflows(site: Site, visit: Visitor, width: int) -> None:
    seen = visit(site.url, viewport={"width": width, "height": 800})
    seen.rank(QUERY, f"{DOCUMENTS}\n{'long' * 200}\n{'字' * 300}")
    seen.page.locator("#after .result").first.click()
    seen.page.locator(".explanation").wait_for()
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_and_light(site: Site, visit: Visitor) -> None:
    def background(seen: Visit) -> int:
        color = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", color)[:3]))

    dark = visit(site.url, color_scheme="dark")
    assert background(dark) < 200
    dark.page.locator("#theme").click()
    assert dark.page.locator("html").get_attribute("data-theme") == "light" and background(dark) > 600
    dark.page.locator("#theme").click()
    assert background(dark) < 200
    assert background(visit(site.url, color_scheme="light")) > 600


def test_reduced_motion(site: Site, visit: Visitor) -> None:
    seen = visit(site.url, reduced_motion="reduce")
    seen.rank(QUERY, DOCUMENTS)
    assert seen.page.evaluate("document.getAnimations().length") == 0
