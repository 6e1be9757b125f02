"""Fleets made up for tests of reports: 47 connectors as the notebook found them, and one that means harm."""

from dataclasses import replace

from reprobuild.analysis.environment import settings_of
from reprobuild.analysis.facts import (
    AddedPackage,
    Cause,
    Claim,
    DockerfileFacts,
    Fleet,
    ImageFacts,
    LayerSize,
    Missing,
    PackageFacts,
    Setting,
    Variant,
)
from reprobuild.analysis.score import scores_of

__all__ = ["fleet_of", "hostile_fleet"]

_NAMES = (
    "amazon-ads amplitude bing-ads braintree chargebee datadog exchange-rates facebook-marketing faker file github "
    "gitlab google-ads google-analytics-v4 google-search-console google-sheets greenhouse harvest hubspot instagram "
    "intercom iterable jira klaviyo linkedin-ads mailchimp marketo mixpanel monday notion okta paypal-transaction "
    "pinterest pipedrive posthog recharge recurly s3 salesforce sendgrid shopify slack stripe surveymonkey twilio "
    "zendesk-chat zendesk-support"
)
_WORDS = _NAMES.split()
_BASES = ("python:3.9-slim", "python:3.9.11-slim", "python:3.9.11-alpine3.15", "python:3.9.16-alpine3.18")
_VARIANTS = [0] * 19 + [1] * 8 + [2] * 5 + [3] * 3 + [4] * 2 + list(range(4, 14))
_PYTHONS = ("3.9.11", "3.9.16", "3.9.17", "3.9.18")
_EXTRA = ("libc-dev-bin", "libc6-dev", "libcrypt-dev", "libnsl-dev", "libtirpc-dev", "linux-libc-dev", "rpcsvc-proto")
_MB = 1_000_000


def fleet_of(count: int = 47) -> Fleet:
    """Return a fleet of *count* connectors with all that a report can show."""
    names = sorted(f"source-{_WORDS[n % 47]}{'' if n < 47 else f'-{n // 47 + 1}'}" for n in range(count))
    dockerfiles = tuple(_dockerfile(n, name) for n, name in enumerate(names))
    images = tuple(
        _image(n, name, platform)
        for n, name in enumerate(names)
        for platform in (("linux/amd64", "linux/arm64") if n % 3 == 0 else ("linux/amd64",))
        if n % 23 != 21
    )
    missing = (
        Missing(
            name="airbyte/source-stripe:4.1.0", why="the registry has no such tag", hint="publish it, or leave it out"
        ),
        Missing(name="source-legacy/Dockerfile", why="line 3: unknown instruction RNU"),
    )
    return Fleet(
        dockerfiles=dockerfiles,
        variants=_variants(dockerfiles),
        images=images,
        settings=settings_of(images),
        scores=scores_of(dockerfiles, images),
        missing=missing,
    )


def hostile_fleet() -> Fleet:
    """Return a fleet whose every text tries to leave its place in a page or a table."""
    bad = "</script><img src=x onerror=alert(1)>\"'&\u202egnp.exe\u0000\u2028"
    fleet = fleet_of(3)
    dockerfile = replace(
        fleet.dockerfiles[0],
        connector=bad,
        path=bad,
        bases=(bad,),
        moving_bases=(bad,),
        entrypoint=(bad,),
        labels={bad: bad},
        environment={bad: bad},
        os_packages=(bad,),
    )
    image = replace(
        fleet.images[0],
        connector=bad,
        reference=bad,
        base=bad,
        platform=bad,
        environment=((bad, f"=cmd|' /C calc'!A0{bad}"), ("A", "b=c\nd")),
        entrypoint=(bad,),
        python=Claim(claimed=bad, found="=1+1"),
        added=(AddedPackage(package=PackageFacts(kind=bad, name=f"@{bad}", version=bad), before=bad),),
        unread=(bad,),
    )
    variant = replace(fleet.variants[0], digest="badbad0", example=bad, connectors=(bad,), text=bad, differences=(bad,))
    setting = Setting(name=bad, spread="static", values={bad: (bad,)}, from_base={bad: None})
    return Fleet(
        dockerfiles=(dockerfile,),
        variants=(variant,),
        images=(image,),
        settings=(setting,),
        scores=scores_of((dockerfile,), (image,)),
        missing=(Missing(name=bad, why=bad, hint=bad),),
    )


def _dockerfile(n: int, name: str) -> DockerfileFacts:
    number = _VARIANTS[n * 31 % 47]
    base = _BASES[(0, 2, 0, 1, 3)[number % 5]]
    apt = ("bash",) if number % 3 != 2 else ("bash", "build-base", "tzdata")
    return DockerfileFacts(
        connector=name,
        path=f"connectors/{name}/Dockerfile",
        variant=f"{(number * 0x2F1B3C7 + 0xA91D04) & 0xFFFFFFF:07x}",
        bases=(base,) if number % 2 == 0 else (base, base),
        moving_bases=(base,),
        stages=1 + number % 2,
        instructions=("FROM", "RUN", "WORKDIR", "COPY", "RUN", "ENV", "ENTRYPOINT", "LABEL", "LABEL"),
        os_packages=apt,
        unpinned_os_packages=apt,
        pip_installs=(".",),
        unpinned_pip_installs=(".",) if number != 5 else (),
        downloads=("https://truststore.example/ca.pem",) if number == 9 else (),
        entrypoint=("python", "/airbyte/integration_code/main_dev.py" if "chat" in name else _MAIN),
        workdir="/airbyte/integration_code",
        environment={"AIRBYTE_ENTRYPOINT": f"python {_MAIN}"},
        labels={"io.airbyte.name": f"airbyte/{name}", "io.airbyte.version": f"1.{n}.0"},
        language="python" if n % 4 else "low-code",
        support_level="certified",
    )


_BUILDER = ["FROM base as builder", "RUN apk --no-cache upgrade && pip install --upgrade pip"]
_MAIN = "/airbyte/integration_code/main.py"


def _variants(dockerfiles: tuple[DockerfileFacts, ...]) -> tuple[Variant, ...]:
    groups: dict[str, list[DockerfileFacts]] = {}
    for one in dockerfiles:
        groups.setdefault(one.variant, []).append(one)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(_variant(place, digest, members) for place, (digest, members) in enumerate(ordered))


def _variant(place: int, digest: str, members: list[DockerfileFacts]) -> Variant:
    example = members[0]
    text = "\n".join(
        [
            f"FROM {example.bases[0]} as base",
            *(_BUILDER * (example.stages - 1)),
            f"RUN apt-get update && apt-get install -y {' '.join(example.os_packages)}",
            "WORKDIR /airbyte/integration_code",
            "COPY connector_technical_name ./connector_technical_name",
            "RUN pip install .",
            'ENV AIRBYTE_ENTRYPOINT "python /airbyte/integration_code/main.py"',
            'ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]',
            "LABEL io.airbyte.name=airbyte/connector-technical-name",
        ]
    )
    differences = (
        f"base image {example.bases[0]} instead of python:3.9-slim",
        f"{example.stages} stages instead of 1",
        "installs tzdata, build-base",
        "copies the connector before dependencies are installed",
    )
    return Variant(
        digest=digest,
        example=example.connector,
        connectors=tuple(one.connector for one in members),
        text=text,
        differences=differences[place % 3 : place % 3 + 2] if place else (),
    )


def _image(n: int, name: str, platform: str) -> ImageFacts:
    python = _PYTHONS[(n * 7) % 4 if n % 5 else 3]
    pip = "22.0.4" if python == "3.9.11" else "23.0.1"
    is_alpine = n % 6 == 1
    own = {
        "source-slack": (("CODE_PATH", "source_slack"), ("WORKDIR", "/airbyte/integration_code")),
        "source-zendesk-chat": (
            ("CODE_PATH", "source_zendesk_chat"),
            ("AIRBYTE_IMPL_MODULE", "source_zendesk_chat"),
            ("AIRBYTE_IMPL_PATH", "SourceZendeskChat"),
        ),
    }
    base_environment = {
        "PATH": "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "GPG_KEY": "E3FF2839C048B25C084DEBE9B26995E310250568",
        "PYTHON_VERSION": python,
        "PYTHON_PIP_VERSION": pip,
        "PYTHON_SETUPTOOLS_VERSION": "58.1.0",
        "PYTHON_GET_PIP_URL": f"https://github.com/pypa/get-pip/raw/{'66030fa' if pip[1] == '2' else '9af82b7'}.py",
    }
    entry = _MAIN.replace("main.py", "main_dev.py") if "chat" in name else _MAIN
    environment = (*base_environment.items(), ("AIRBYTE_ENTRYPOINT", f"python {entry}"), *own.get(name, ()))
    extras = _EXTRA if n % 9 == 4 and not is_alpine and n % 11 != 10 else ()
    return ImageFacts(
        connector=name,
        reference=f"docker.io/airbyte/{name}:1.{n}.0",
        digest=f"sha256:{n:032x}{len(platform):032x}",
        platform=platform,
        created=f"2023-0{1 + n % 9}-1{n % 10}T08:1{n % 6}:02.{n + 1}4Z",
        base=_BASES[3] if is_alpine else _BASES[0],
        base_layers=4,
        base_moved=(True, False, None)[n % 3],
        environment=environment,
        base_environment=None if n % 11 == 10 else base_environment,
        entrypoint=("python", entry),
        labels={"io.airbyte.name": f"airbyte/{name}", "io.airbyte.version": f"1.{n}.0"},
        workdir="/airbyte/integration_code",
        timezone="UTC" if n % 2 else "",
        python=Claim(claimed=python, found="3.9.18" if n % 13 == 12 else python),
        pip=Claim(claimed=pip, found="23.2.1" if is_alpine else pip),
        setuptools=Claim(claimed="58.1.0", found="58.1.0"),
        libc="musl 1.2.4" if is_alpine else "glibc 2.36",
        system="Alpine Linux v3.18" if is_alpine else "Debian GNU/Linux 12 (bookworm)",
        distributions=(PackageFacts(kind="pypi", name="airbyte-cdk", version=f"0.{40 + n % 12}.0"),),
        os_packages=tuple(one.package for one in _added(n, extras, is_alpine=is_alpine)),
        added=None if n % 11 == 10 else _added(n, extras, is_alpine=is_alpine),
        layers=_layers(n),
        unread=("layer 3: the rpm database is damaged",) if n == 5 else (),
    )


def _added(n: int, extras: tuple[str, ...], *, is_alpine: bool) -> tuple[AddedPackage, ...]:
    kind = "apk" if is_alpine else "deb"
    architecture = "amd64"
    found = [
        AddedPackage(package=PackageFacts(kind=kind, name=extra, version="2.36-9+deb12u1", architecture=architecture))
        for extra in extras
    ]
    if is_alpine:
        own = (PackageFacts(kind=kind, name=name, version="5.2.15-r5") for name in ("bash", "tzdata"))
        found += [AddedPackage(package=one) for one in own]
    if n % 8 == 3:
        curl = PackageFacts(kind=kind, name="libssl3", version=f"3.0.1{n % 3}-1~deb12u1", architecture=architecture)
        found.append(AddedPackage(package=curl, before="3.0.9-1"))
    return tuple(found)


def _layers(n: int) -> tuple[LayerSize, ...]:
    base = (
        LayerSize(digest="sha256:" + "1" * 64, compressed=29 * _MB, causes={Cause.BASE: 74 * _MB}, is_base=True),
        LayerSize(digest="sha256:" + "2" * 64, compressed=15 * _MB, causes={Cause.BASE: 46 * _MB}, is_base=True),
    )
    own = (
        LayerSize(
            digest=f"sha256:{n:064x}",
            compressed=(18 + n % 7 * 6) * _MB,
            causes={
                Cause.DEPENDENCIES: (48 + n * 37 % 140) * _MB,
                Cause.BYTECODE: (16 + n * 11 % 40) * _MB,
                Cause.CACHES: (n % 4) * 9 * _MB,
                Cause.OS: (n % 9 == 4) * 30 * _MB,
                Cause.OTHER: 400_000,
            },
            created_by="RUN pip install .",
        ),
        LayerSize(
            digest=f"sha256:f{n:063x}",
            compressed=70_000 + n,
            causes={Cause.CODE: 180_000 + n * 9000},
            created_by="COPY",
        ),
    )
    return (*base, *own)
