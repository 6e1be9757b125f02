"""A connector's technical name in the forms that Dockerfiles write it in, and texts without it."""

import re
from collections.abc import Mapping, Sequence

__all__ = ["KEBAB", "Names"]

KEBAB, _SNAKE, _PASCAL = "connector-technical-name", "connector_technical_name", "ConnectorTechnicalName"
"""What stands in a normalised text where a Dockerfile has the name."""


class Names:
    """The forms of a technical *name*: ``source-notion``, ``source_notion`` and ``SourceNotion``."""

    def __init__(self, name: str) -> None:
        words = [word for word in re.split(r"[-_]", name) if word]
        pascal = "".join(word[:1].upper() + word[1:] for word in words)
        self._forms = {name: KEBAB, "-".join(words): KEBAB, "_".join(words): _SNAKE, pascal: _PASCAL}
        found = "|".join(re.escape(form) for form in sorted(self._forms, key=len, reverse=True) if form)
        self._pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{found})(?![A-Za-z0-9])") if found else None

    def of(self, text: str) -> str:
        """Return *text* with a word in place of each form of the name, where it stands alone."""
        return text if self._pattern is None else self._pattern.sub(lambda match: self._forms[match[0]], text)

    def all(self, texts: Sequence[str]) -> list[str]:
        """Return each of *texts* without the name."""
        return [self.of(text) for text in texts]

    def line(self, words: Sequence[str]) -> str:
        """Return *words* as one line without the name."""
        return self.of(" ".join(words))

    def mapping(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return *values*, names and values without the name."""
        return {self.of(name): self.of(value) for name, value in values.items()}
