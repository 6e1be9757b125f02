"""buildah, building the connectors with pip."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench_case import Built, Case, Scenario
from bench_context import BASE, LOADING, Context, image_name
from bench_stopwatch import Sample, said, timed

__all__ = ["Buildah"]

EPOCH = "315532800"


@dataclass(frozen=True, slots=True, kw_only=True)
class Buildah:
    """Builds of *context* in a store below *folder*; without ``compiled``, pip leaves out bytecode."""

    folder: Path
    context: Context
    log: Path
    compiled: bool

    @property
    def name(self) -> str:
        """The tool's name in tables."""
        return "buildah" if self.compiled else "buildah, pip --no-compile"

    @property
    def store(self) -> str:
        """Where its images are, as containers-storage: references say it."""
        return f"overlay@{self.folder}/root+{self.folder}/run"

    def load_base(self, layout: str) -> None:
        """Bring the image at *layout*, an oci: reference, into the store as the base image."""
        timed([*LOADING, layout, f"containers-storage:[{self.store}]{BASE}"], self.log)

    def cases(self) -> list[Case]:
        """Return the scenarios; the cache is what the first no-op leaves, which therefore is primed beforehand."""
        return [
            Case(
                tool=self.name,
                scenario=scenario,
                run=partial(self._build, scenario),
                built=partial(self._built, scenario),
            )
            for scenario in (Scenario.COLD, Scenario.NOOP, Scenario.FURTHER)
        ]

    def prime(self) -> None:
        """Fill the layer cache, which buildah has on demand only and a build without layers leaves empty."""
        self._build(Scenario.NOOP, 0)

    def export(self, folder: Path) -> Sample:
        """Write the image to *folder* as an image layout, compressed by skopeo."""
        source = f"containers-storage:[{self.store}]{image_name(Scenario.COLD, compiled=self.compiled)}"
        return timed(["skopeo", "--insecure-policy", "copy", "--quiet", source, f"oci:{folder}"], self.log)

    def _build(self, scenario: Scenario, number: int) -> Sample:
        if scenario.further:
            self.context.renew_main(number)
        dockerfile = self.context.dockerfile(scenario, compiled=self.compiled)
        # Without layers it is faster; only builds with layers can use the cache.
        cache = "--no-cache" if scenario is Scenario.COLD else "--layers"
        options = ("--timestamp", EPOCH, "--network=none", "--runtime=runc", "--pull=never", cache)
        names = ("--file", str(dockerfile), "--tag", image_name(scenario, compiled=self.compiled))
        return timed(self._command("build", *options, *names, str(self.context.folder)), self.log)

    def _command(self, *words: str) -> list[str]:
        policy = self.folder / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}\n', encoding="utf-8")
        store = ("--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run", "--storage-driver", "overlay")
        own = ("--signature-policy", str(policy)) if words[0] == "build" else ()
        return ["buildah", *store, words[0], *own, *words[1:]]

    def _built(self, scenario: Scenario) -> Built:
        image = json.loads(
            said(self._command("inspect", "--type", "image", image_name(scenario, compiled=self.compiled)), self.log)
        )
        return Built(digest=image["FromImageDigest"], layers=tuple(image["OCIv1"]["rootfs"]["diff_ids"]))
