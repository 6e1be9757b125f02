"""What became of an image's hooks, run on two machines: whether they did the same."""

from dataclasses import dataclass
from typing import Literal

from reprobuild.verify.purity import Impurity
from reprobuild.verify.rebuild import Obstacle

__all__ = ["HookAnswer", "HookVerdict"]

HookAnswer = Literal["pure", "impure", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HookVerdict:
    """The answer for the ``hooks`` of one image, of which so many executions ran, each twice.

    ``network`` says that they have a network, so that nobody knows what they do tomorrow.
    """

    connector: str
    platform: str
    hooks: tuple[str, ...]
    executions: int = 0
    impurity: Impurity | None = None
    network: bool = False
    obstacle: Obstacle | None = None

    @property
    def answer(self) -> HookAnswer:
        """The answer for all of them."""
        if self.impurity is not None or self.network:
            return "impure"
        return "unknown" if self.obstacle is not None else "pure"

    def answer_for(self, hook: str) -> HookAnswer:
        """Return the answer for one of ``hooks``: beside an impure one only what ran before it is known."""
        if self.network or self.impurity is None:
            return self.answer
        named = next((name for name in self.hooks if name in self.impurity.what), self.hooks[-1])
        if hook == named:
            return "impure"
        return "pure" if hook.endswith("pre-install") else "unknown"
