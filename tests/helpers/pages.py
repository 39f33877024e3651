"""Pages as a browser takes them apart."""

from __future__ import annotations

from html.parser import HTMLParser


class Page(HTMLParser):
    """All elements, attributes and text of a page, in order, and the ids of its sentences."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.attributes, self.sentences, self.tags, self.text = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag == "li":
            self.sentences.append(dict(attributes)["data-id"])

    def handle_data(self, data):
        self.text.append(data)
