"""Forty-seven Dockerfiles as the notebook found them: its three printed variants, eleven mutations, and much noise."""

from collections.abc import Mapping

__all__ = ["ALPINE", "CACHED", "COUNTS", "SLIM", "fleet_of_dockerfiles"]

SLIM = """\
FROM python:3.9-slim

# Bash is installed for more convenient debugging.
RUN apt-get update && apt-get install -y bash && rm -rf /var/lib/apt/lists/*

WORKDIR /airbyte/integration_code
COPY {snake} ./{snake}
COPY setup.py ./
COPY main.py ./
RUN pip install .

ENV AIRBYTE_ENTRYPOINT "python /airbyte/integration_code/main.py"
ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]

LABEL io.airbyte.version={version}
LABEL io.airbyte.name=airbyte/{name}
"""
ALPINE = """\
FROM python:3.9.11-alpine3.15 as base

# build and load all requirements
FROM base as builder
WORKDIR /airbyte/integration_code

# upgrade pip to the latest version
RUN apk --no-cache upgrade \\
    && pip install --upgrade pip \\
    && apk --no-cache add tzdata build-base

COPY setup.py ./
# install necessary packages to a temporary folder
RUN pip install --prefix=/install .

# build a clean environment
FROM base
WORKDIR /airbyte/integration_code

# copy all loaded and built libraries to a pure basic image
COPY --from=builder /install /usr/local
# add default timezone settings
COPY --from=builder /usr/share/zoneinfo/Etc/UTC /etc/localtime
RUN echo "Etc/UTC" > /etc/timezone

# bash is installed for more convenient debugging.
RUN apk --no-cache add bash

# copy payload code only
COPY main.py ./
COPY {snake} ./{snake}

ENV AIRBYTE_ENTRYPOINT "python /airbyte/integration_code/main.py"
ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]

LABEL io.airbyte.version={version}
LABEL io.airbyte.name=airbyte/{name}
"""
CACHED = """\
FROM python:3.9-slim

# Bash is installed for more convenient debugging.
RUN apt-get update && apt-get install -y bash && rm -rf /var/lib/apt/lists/*

WORKDIR /airbyte/integration_code
COPY setup.py ./
RUN pip install .
COPY {snake} ./{snake}
COPY main.py ./

ENV AIRBYTE_ENTRYPOINT "python /airbyte/integration_code/main.py"
ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]

LABEL io.airbyte.version={version}
LABEL io.airbyte.name=airbyte/{name}
"""
_SLIM_PINNED = SLIM.replace("python:3.9-slim", "python:3.9.11-slim")
_SLACK = CACHED.replace("ENV AIRBYTE", "ENV CODE_PATH={snake}\nENV WORKDIR=/airbyte\nENV AIRBYTE")
_CHAT = CACHED.replace("main.py", "main_dev.py").replace(
    "ENV AIRBYTE_E",
    'ENV CODE_PATH="{snake}"\nENV AIRBYTE_IMPL_MODULE="{snake}"\nENV AIRBYTE_IMPL_PATH="{pascal}"\nENV AIRBYTE_E',
)
_TEMPLATES = (
    (15, ALPINE),
    (8, CACHED),
    (6, SLIM),
    (4, ALPINE.replace("python:3.9.11-alpine3.15", "python:3.9.16-alpine3.18")),
    (3, _SLIM_PINNED),
    (2, ALPINE.replace("add bash", "add bash gcc")),
    (2, CACHED.replace("pip install .", "pip install --no-cache-dir .")),
    (1, _SLACK),
    (1, _CHAT),
    (1, ALPINE.replace('RUN echo "Etc/UTC" > /etc/timezone\n', "")),
    (1, SLIM.replace("WORKDIR /airbyte/integration_code", "WORKDIR /airbyte")),
    (1, CACHED.replace("ENTRYPOINT [", "USER 1000\nENTRYPOINT [")),
    (1, SLIM.replace("LABEL io.airbyte.name", "LABEL maintainer=somebody\nLABEL io.airbyte.name")),
    (1, SLIM.replace("COPY main.py ./\n", "ADD https://files.example/main.py ./\n")),
)
COUNTS = tuple(count for count, _ in _TEMPLATES)
"""How many connectors have each of the fourteen variants: forty-seven together."""
_NAMES = (
    "amazon-ads", "amazon-seller-partner", "amplitude", "bing-ads", "braintree", "chargebee", "facebook-marketing",
    "faker", "file", "freshdesk", "github", "gitlab", "google-ads", "google-analytics-v4", "google-search-console",
    "google-sheets", "greenhouse", "harvest", "hubspot", "instagram", "intercom", "iterable", "jira", "klaviyo",
    "linkedin-ads", "mailchimp", "marketo", "mixpanel", "monday", "notion", "paypal-transaction", "pinterest",
    "posthog", "recharge", "s3", "salesforce", "sendgrid", "sentry", "shopify", "slack", "snapchat-marketing",
    "stripe", "surveymonkey", "tiktok-marketing", "twilio", "typeform", "zendesk-chat",
)  # fmt: skip


def fleet_of_dockerfiles() -> Mapping[str, bytes]:
    """Return the Dockerfile of each of 47 connectors; no two are equal, though many say the same."""
    templates = [template for count, template in _TEMPLATES for _ in range(count)]
    return {
        f"source-{name}": _written(template, f"source-{name}", number)
        for number, (name, template) in enumerate(zip(_NAMES, templates, strict=True))
    }


def _written(template: str, name: str, number: int) -> bytes:
    """Fill in *template*, with noise of five kinds that says nothing."""
    pascal = "".join(word.capitalize() for word in name.split("-"))
    text = template.format(name=name, snake=name.replace("-", "_"), pascal=pascal, version=f"{number % 4}.{number}.0")
    if number % 5 == 1:
        text = f"# {name}: who changes this, tells the others\n\n{text}"
    if number % 5 == 2:
        text = text.replace("\n", "  \n").replace("\\  \n", "\\ \n")
    if number % 5 == 3:
        text = text.replace("\n\n", "\n").replace("&& pip", "# the newest\n&& pip")
    if number % 7 == 4:
        text = text.replace("\n", "\r\n")
    return text.encode()
