"""Which package of a base image's distribution has a shared library: the commonest, and how to find the others.

Debian's names are those of Debian 12. Where later releases of Debian and Ubuntu have renamed a package (``…t64``),
it provides the old name.
"""

import re
from collections.abc import Mapping

__all__ = ["package_with"]

_PACKAGES = """
libasound.so.2          libasound2              alsa-lib
libatk-1.0.so.0         libatk1.0-0             at-spi2-core
libatomic.so.1          libatomic1              libatomic
libblas.so.3            libblas3                blas
libbrotlidec.so.1       libbrotli1              brotli-libs
libbz2.so.1             libbz2-1.0              libbz2
libbz2.so.1.0           libbz2-1.0              -
libc.musl-aarch64.so.1  musl                    musl
libc.musl-x86_64.so.1   musl                    musl
libc.so.6               libc6                   -
libcairo.so.2           libcairo2               cairo
libcares.so.2           libc-ares2              c-ares
libcom_err.so.2         libcom-err2             libcom_err
libcrypt.so.1           libcrypt1               -
libcrypto.so.1.1        libssl1.1/11            -
libcrypto.so.3          libssl3                 libcrypto3
libcups.so.2            libcups2                cups-libs
libcurl.so.4            libcurl4                libcurl
libdb-5.3.so            libdb5.3                db
libdbus-1.so.3          libdbus-1-3             dbus-libs
libdrm.so.2             libdrm2                 libdrm
libEGL.so.1             libegl1                 mesa-egl
libev.so.4              libev4                  libev
libexpat.so.1           libexpat1               libexpat
libffi.so.7             libffi7/11              -
libffi.so.8             libffi8                 libffi
libfontconfig.so.1      libfontconfig1          fontconfig
libfreetype.so.6        libfreetype6            freetype
libgbm.so.1             libgbm1                 mesa-gbm
libgcc_s.so.1           libgcc-s1               libgcc
libgdbm.so.6            libgdbm6                gdbm
libgdk_pixbuf-2.0.so.0  libgdk-pixbuf-2.0-0     gdk-pixbuf
libgeos_c.so.1          libgeos-c1v5            geos
libgfortran.so.5        libgfortran5            libgfortran
libGL.so.1              libgl1                  mesa-gl
libglib-2.0.so.0        libglib2.0-0            glib
libGLX.so.0             libglx0                 libglvnd
libgmp.so.10            libgmp10                gmp
libgnutls.so.30         libgnutls30             gnutls
libgobject-2.0.so.0     libglib2.0-0            glib
libgomp.so.1            libgomp1                libgomp
libgssapi_krb5.so.2     libgssapi-krb5-2        krb5-libs
libgthread-2.0.so.0     libglib2.0-0            glib
libharfbuzz.so.0        libharfbuzz0b           harfbuzz
libICE.so.6             libice6                 libice
libicuuc.so.72          libicu72                -
libidn2.so.0            libidn2-0               libidn2
libjemalloc.so.2        libjemalloc2            jemalloc
libjpeg.so.62           libjpeg62-turbo         -
libjpeg.so.8            -                       libjpeg-turbo
libk5crypto.so.3        libk5crypto3            krb5-libs
libkeyutils.so.1        libkeyutils1            keyutils-libs
libkrb5.so.3            libkrb5-3               krb5-libs
liblapack.so.3          liblapack3              lapack
liblber-2.5.so.0        libldap-2.5-0           -
libldap-2.5.so.0        libldap-2.5-0           -
libltdl.so.7            libltdl7                libltdl
liblz4.so.1             liblz4-1                lz4-libs
liblzma.so.5            liblzma5                xz-libs
libmagic.so.1           libmagic1               libmagic
libmariadb.so.3         libmariadb3             mariadb-connector-c
libmpfr.so.6            libmpfr6                mpfr4
libncursesw.so.6        libncursesw6            libncursesw
libnghttp2.so.14        libnghttp2-14           nghttp2-libs
libnsl.so.1             libc6                   -
libnsl.so.2             libnsl2                 -
libnspr4.so             libnspr4                nspr
libnss3.so              libnss3                 nss
libnuma.so.1            libnuma1                numactl
libodbc.so.2            libodbc2                unixodbc
libodbcinst.so.2        libodbcinst2            unixodbc
libopenblas.so.0        libopenblas0            openblas
libOpenGL.so.0          libopengl0              libglvnd
libpam.so.0             libpam0g                linux-pam
libpango-1.0.so.0       libpango-1.0-0          pango
libpangocairo-1.0.so.0  libpangocairo-1.0-0     pango
libpangoft2-1.0.so.0    libpangoft2-1.0-0       pango
libpcre2-8.so.0         libpcre2-8-0            pcre2
libpng16.so.16          libpng16-16             libpng
libportaudio.so.2       libportaudio2           portaudio
libpq.so.5              libpq5                  libpq
libquadmath.so.0        libquadmath0            libquadmath
librdkafka.so.1         librdkafka1             librdkafka
libreadline.so.8        libreadline8            readline
libsasl2.so.2           libsasl2-2              libsasl
libSM.so.6              libsm6                  libsm
libsnappy.so.1          libsnappy1v5            snappy
libsndfile.so.1         libsndfile1             libsndfile
libsodium.so.23         libsodium23             libsodium
libsqlite3.so.0         libsqlite3-0            sqlite-libs
libssh2.so.1            libssh2-1               libssh2
libssl.so.1.1           libssl1.1/11            -
libssl.so.3             libssl3                 libssl3
libstdc++.so.6          libstdc++6              libstdc++
libsybdb.so.5           libsybdb5               freetds
libtiff.so.6            libtiff6                tiff
libtinfo.so.6           libtinfo6               -
libusb-1.0.so.0         libusb-1.0-0            libusb
libuuid.so.1            libuuid1                libuuid
libuv.so.1              libuv1                  libuv
libwebp.so.7            libwebp7                libwebp
libX11.so.6             libx11-6                libx11
libxcb.so.1             libxcb1                 libxcb
libXext.so.6            libxext6                libxext
libXi.so.6              libxi6                  libxi
libxml2.so.2            libxml2                 libxml2
libxmlsec1.so.1         libxmlsec1              xmlsec
libXrandr.so.2          libxrandr2              libxrandr
libXrender.so.1         libxrender1             libxrender
libxslt.so.1            libxslt1.1              libxslt
libyaml-0.so.2          libyaml-0-2             yaml
libz.so.1               zlib1g                  zlib
libzbar.so.0            libzbar0                zbar
libzmq.so.5             libzmq5                 libzmq
libzstd.so.1            libzstd1                zstd-libs
"""
"""Library, package of Debian (of an older release: /11), package of Alpine; - for none."""

_TABLE = {line.split()[0]: line.split()[1:] for line in _PACKAGES.strip().split("\n")}
_GLIBC = re.compile(r"lib(?:m|dl|pthread|rt|util|resolv|anl|BrokenLocale|mvec)\.so\.\d")
"""Libraries that come with glibc's libc.so.6."""
_PYTHON = re.compile(r"libpython(3\.\d+)\.so\.1\.0")


def package_with(library: str, release: Mapping[str, str]) -> str:
    """Return what to install for *library* on the distribution of *release* (os-release), as the end of a sentence.

    ``Debian's package libpq5``; for a library or distribution that is not known, how to find it.
    """
    family = _family(release)
    debian, alpine = _debian(library), _alpine(library)
    if family == "debian":
        return debian or f"the package that `apt-file search {library}` names"
    if family == "alpine":
        return alpine or f"the package that `apk search so:{library}` names"
    if family == "fedora":
        return f"the package that `dnf provides '*/{library}'` names"
    known = " or ".join(filter(None, (debian, alpine)))
    return "the package that has it" + (f" (as {known} does)" if known else "")


def _debian(library: str) -> str:
    if found := _PYTHON.fullmatch(library):
        return f"Debian's package libpython{found[1]}"
    name = "libc.so.6" if _GLIBC.fullmatch(library) else library
    package, _, release = _TABLE.get(name, ("-", "-"))[0].partition("/")
    return "" if package == "-" else f"Debian{' ' if release else ''}{release}'s package {package}"


def _alpine(library: str) -> str:
    package = _TABLE.get(library, ("-", "-"))[1]
    return "" if package == "-" else f"Alpine's package {package}"


def _family(release: Mapping[str, str]) -> str:
    """Return whose packages an image has: debian's, alpine's, fedora's; nothing for others."""
    names = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    families = {
        "debian": "debian",
        "ubuntu": "debian",
        "alpine": "alpine",
        "wolfi": "alpine",
        "chainguard": "alpine",
        "fedora": "fedora",
        "rhel": "fedora",
        "centos": "fedora",
    }
    return next((families[name] for name in names if name in families), "")
