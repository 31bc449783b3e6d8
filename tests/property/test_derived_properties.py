"""Any template and any document: what follows is what the parts say, and nothing else changes."""

import base64
import json
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from hypothesis import example, given
from hypothesis import strategies as st

from secret_rotation import catalogue
from secret_rotation.derived import Template, Templates
from secret_rotation.document import Document
from secret_rotation.errors import RotationError, SettingError
from tests.support.function import check_harmless

value = st.text(max_size=20)
KEYS = ["password", "a b", "/nested/0/x", "/nested/1", "~odd"]
BACK: Mapping[str, Callable[[str], str]] = {
    "url": unquote,
    "json": json.loads,
    "base64": lambda text: base64.b64decode(text, validate=True).decode(),
    "hex": lambda text: bytes.fromhex(text).decode(),
}
"""Each filter that can be undone, by code of somebody else's."""

PRIVATE = [chr(code) for code in range(0xE000, 0xE100)]
"""More characters than a document and a template have here; JSON without escapes has them as they are."""

filters = st.lists(st.sampled_from(sorted(BACK)), max_size=4)
uses = st.tuples(st.sampled_from(KEYS), filters)
literals = st.text(st.characters(exclude_characters="{"), max_size=5) | st.just("{{")
spaces = st.sampled_from(["", " ", "  "])


def text_of(first: str, second: str, third: str, fourth: str, fifth: str) -> str:
    document = {
        "password": first,
        "a b": second,
        "nested": [{"x": third}, fourth],
        "~odd": fifth,
        "n": 1.5,
        "URL": "old",
    }
    return json.dumps(document, ensure_ascii=False).replace("1.5", "1.50E+3")


documents = st.builds(text_of, value, value, value, value, value)


@given(documents, st.lists(st.tuples(literals, uses, spaces), min_size=1, max_size=4), literals)
def test_each_part_of_what_follows_leads_back_to_the_value(
    text: str, parts: list[tuple[str, tuple[str, list[str]], str]], end: str
) -> None:
    """Separated by a character that is in no value and no literal, and that no filter makes."""
    document, used = Document(text), "".join([text, *(before for before, *_ in parts), end])
    mark = next(char for char in PRIVATE if char not in used)
    template = "".join(
        mark.join([_literal(before), "{{" + space + f"{space}|{space}".join([key, *names]) + space + "}}", ""])
        for before, (key, names), space in parts
    )
    assert catalogue.generator_settings("URL", {"type": "template", "template": template + _literal(end)})
    found = Templates({"URL": Template.of(template + _literal(end))}).applied(document)
    made = str(found.get("URL"))
    assert document.replace({"URL": made}) == found
    *pieces, last = made.split(mark)
    assert last == end
    for (before, (key, names), _), literal, filtered in zip(parts, pieces[::2], pieces[1::2], strict=True):
        assert literal == before
        for name in reversed(names):
            filtered = BACK[name](filtered)
        assert filtered == document.get(key)


def _literal(text: str) -> str:
    return '{{"{{"}}' if text == "{{" else text


@given(st.text('{}|"x/~ \n(url)base64', max_size=30), documents)
@example("{{x", text_of("", "", "", "", ""))
@example("{{" + " " * 4000, text_of("", "", "", "", ""))
@example("{{x" + "|url" * 1000 + "}", text_of("", "", "", "", ""))
def test_any_template_is_filled_in_or_refused_by_an_error_of_our_own(template: str, text: str) -> None:
    try:
        catalogue.generator_settings("URL", {"type": "template", "template": template})
        Templates({"URL": Template.of(template)}).applied(Document(text))
    except RotationError as error:
        check_harmless(error, *(["template"] if isinstance(error, SettingError) else []))
