"""A page as a reader's browser takes it: is it well formed, and does it load anything from elsewhere?"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

ALONE = {"meta", "img", "br"}


@dataclass
class Page:
    """The text of a page, its images' sources by what they show, and its links and loads."""

    text: str = ""
    images: list[tuple[str, str]] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.page.tags.add(tag)
        self.page.text += " "
        if tag not in ALONE:
            self.open.append(tag)
        if tag == "img":
            assert values["alt"], "a picture without words for those who cannot see it"
            self.page.images.append((str(values["alt"]), str(values["src"])))
        self.page.loads += [str(values[name]) for name in ("src", "href") if name in values]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.page.text += data


def read_page(html: str) -> Page:
    """Read a page; fails where its tags do not close, and where it is not self-contained."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    page = reader.page
    assert page.tags.isdisjoint({"script", "link", "iframe"})
    assert all(load.startswith("data:") for load in page.loads)
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    page.text = " ".join(page.text.split())
    return page
