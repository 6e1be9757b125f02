"""BuildKit, as Docker's daemon has it, building the connectors with pip."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench_case import Built, Case, Scenario
from bench_context import BASE, LOADING, Context, image_name
from bench_dockerd import Daemon
from bench_stopwatch import Sample, said, timed

__all__ = ["BuildKit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildKit:
    """Builds of *context* by *daemon*; without ``compiled``, pip leaves out bytecode, as reprobuild does."""

    daemon: Daemon
    context: Context
    client_config: Path
    log: Path
    compiled: bool

    @property
    def name(self) -> str:
        """The tool's name in tables."""
        return "BuildKit" if self.compiled else "BuildKit, pip --no-compile"

    def load_base(self, layout: str) -> None:
        """Bring the image at *layout*, an oci: reference, into the daemon's store as the base image."""
        archive = self.log.with_suffix(".base.tar")
        timed([*LOADING, layout, f"docker-archive:{archive}:{BASE}"], self.log)
        self._docker("load", "--input", str(archive))
        archive.unlink()

    def cases(self) -> list[Case]:
        """Return the scenarios in an order in which each finds what it needs in the cache."""
        return [
            Case(
                tool=self.name,
                scenario=scenario,
                run=partial(self._build, scenario),
                built=partial(self._built, scenario),
            )
            for scenario in (Scenario.COLD, Scenario.NOOP, Scenario.FURTHER, Scenario.FURTHER_COLD)
        ]

    def export(self, folder: Path) -> Sample:
        """Write the image to *folder* as an image layout, compressed by skopeo."""
        source = f"docker-daemon:{image_name(Scenario.COLD, compiled=self.compiled)}"
        options = ("--quiet", "--src-daemon-host", self.daemon.address)
        return timed(["skopeo", "--insecure-policy", "copy", *options, source, f"oci:{folder}"], self.log)

    def _build(self, scenario: Scenario, number: int) -> Sample:
        if scenario.further:
            self.context.renew_main(number)
        cache = ("--no-cache",) if scenario in {Scenario.COLD, Scenario.FURTHER_COLD} else ()
        dockerfile = self.context.dockerfile(scenario, compiled=self.compiled)
        names = ("--file", str(dockerfile), "--tag", image_name(scenario, compiled=self.compiled))
        self.daemon.forget_memory()
        sample = self._docker("build", "--network=none", *cache, *names, str(self.context.folder))
        return Sample(seconds=sample.seconds, memory=sample.memory + self.daemon.memory())

    def _docker(self, *words: str) -> Sample:
        return timed([*self.daemon.client, *words], self.log, self._environ)

    @property
    def _environ(self) -> dict[str, str]:
        return {"DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain", "DOCKER_CONFIG": str(self.client_config)}

    def _built(self, scenario: Scenario) -> Built:
        words = [*self.daemon.client, "image", "inspect", image_name(scenario, compiled=self.compiled)]
        (image,) = json.loads(said(words, self.log, self._environ))
        return Built(digest=image["Id"], layers=tuple(image["RootFS"]["Layers"]))
