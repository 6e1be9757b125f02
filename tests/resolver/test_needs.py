"""What wheels need of a base, by the rules of the dynamic linkers."""

import pytest

from reprobuild.image.shared_object import SharedObject
from reprobuild.resolver.needs import BaseLibraries, Missing, missing

AMD64, ARM64 = 62, 183
HERE = "usr/lib/x86_64-linux-gnu"
SITE = "/usr/local/lib/python3.11/site-packages"
ALPHA, BETA = "alpha-1.0-cp311-cp311-linux.whl", "beta-1.0-cp311-cp311-linux.whl"


def shared(*needed: str, machine: int = AMD64, **more: object) -> SharedObject:
    return SharedObject(machine=machine, needed=needed, **more)  # type: ignore[arg-type]


def glibc(**libraries: SharedObject) -> BaseLibraries:
    there = {"libc.so.6": shared(provides=("GLIBC_2.17", "GLIBC_2.34")), "libm.so.6": shared("libc.so.6")}
    return BaseLibraries(
        libraries={f"{HERE}/{name}": one for name, one in there.items()} | libraries,
        directories=(HERE, "usr/lib"),
        links={"lib": "usr/lib"},
    )


def look(
    *files: SharedObject | dict[str, SharedObject],
    base: BaseLibraries | None = None,
    libc: str = "glibc",
    directories: tuple[str, ...] = (),
) -> list[str]:
    """Return what is missing: for wheels alpha and beta, each of one module or of the files given."""
    contents = [one if isinstance(one, dict) else {"pkg/module.so": one} for one in files]
    wheels = dict(zip((ALPHA, BETA), contents, strict=False))
    found = missing(wheels, base or glibc(), machine=AMD64, libc=libc, site=SITE, directories=directories)
    return [" ".join((one.library, *one.versions)) for one in found]


def test_what_is_missing_is_named_with_the_wheel_and_the_file() -> None:
    wheels = {ALPHA: {"pkg/module.so": shared("libc.so.6", "libstdc++.so.6")}}
    found = missing(wheels, glibc(), machine=AMD64, libc="glibc", site=SITE)
    assert found == (Missing(library="libstdc++.so.6", needed_by=ALPHA, path="pkg/module.so"),)


def test_what_the_base_has_is_not_missing() -> None:
    assert look(shared("libc.so.6", "libm.so.6")) == []
    assert look(shared("linux-vdso.so.1", "ld-linux-x86-64.so.2", "libcuda.so.1")) == []


def test_libraries_of_the_wheel_and_of_others_count_by_file_and_by_soname() -> None:
    own = {"pkg/module.so": shared("libx-1a2b.so.1"), "pkg.libs/libx-1a2b.so.1": shared()}
    assert look(own) == []
    assert look(shared("libarrow.so.9"), {"arrow/libarrow.so.9.1": shared(soname="libarrow.so.9")}) == []
    assert look(shared("libarrow.so.8"), {"arrow/libarrow.so.9.1": shared(soname="libarrow.so.9")}) == ["libarrow.so.8"]


def test_a_library_for_another_machine_does_not_count_and_is_not_asked() -> None:
    foreign = {"pkg/libx.so.1": shared("libnowhere.so.1", machine=ARM64)}
    assert look(shared("libx.so.1"), foreign) == ["libx.so.1"]


def test_versions_are_those_of_whoever_has_the_library() -> None:
    assert look(shared("libc.so.6", requires={"libc.so.6": ("GLIBC_2.17",)})) == []
    newer = shared("libc.so.6", requires={"libc.so.6": ("GLIBC_2.34", "GLIBC_2.38")})
    assert look(newer) == ["libc.so.6 GLIBC_2.38"]


def test_a_library_without_versions_has_all_of_them() -> None:
    assert look(shared("libm.so.6", requires={"libm.so.6": ("GLIBC_2.99",)})) == []


def test_a_newer_copy_in_a_wheel_will_do() -> None:
    old = shared(provides=("GLIBCXX_3.4.29",))
    asking = shared("libstdc++.so.6", requires={"libstdc++.so.6": ("GLIBCXX_3.4.30",)})
    base = glibc(**{f"{HERE}/libstdc++.so.6": old})
    assert look(asking, base=base) == ["libstdc++.so.6 GLIBCXX_3.4.30"]
    bundled = {"pkg.libs/libstdc++.so.6": shared(provides=("GLIBCXX_3.4.30",))}
    assert look(asking, bundled, base=base) == []


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/opt/vendor/lib", True),
        ("$ORIGIN/../../../../../../opt/vendor/lib", True),
        ("${ORIGIN}/../../../../../../opt/vendor/./lib/", True),
        ("/lib/../opt/vendor/lib", True),
        ("/opt/other", False),
        ("opt/vendor/lib", False),
    ],
)
def test_a_runpath_may_lead_into_the_base(path: str, there: bool) -> None:
    base = glibc(**{"opt/vendor/lib/libx.so.1": shared()})
    assert look(shared("libx.so.1", paths=(path,)), base=base) == ([] if there else ["libx.so.1"])


def test_links_to_directories_are_followed() -> None:
    base = glibc(**{"usr/lib/vendor/libx.so.1": shared()})
    assert look(shared("libx.so.1", paths=("/lib/vendor",)), base=base) == []
    assert look(shared("/lib/vendor/libx.so.1"), base=base) == []


def test_the_library_path_of_the_environment_is_searched() -> None:
    base = glibc(**{"opt/lib/libx.so.1": shared()})
    assert look(shared("libx.so.1"), base=base) == ["libx.so.1"]
    assert look(shared("libx.so.1"), base=base, directories=("/opt/lib",)) == []


def test_libraries_of_the_base_have_needs_of_their_own() -> None:
    """As after COPY --from, which brings libpq and forgets libldap."""
    base = glibc(**{f"{HERE}/libpq.so.5": shared("libldap-2.5.so.0", "libc.so.6")})
    wheels = {ALPHA: {"a.so": shared("libpq.so.5")}, BETA: {"b.so": shared("libpq.so.5")}}
    found = missing(wheels, base, machine=AMD64, libc="glibc", site=SITE)
    assert found == (Missing(library="libldap-2.5.so.0", needed_by=ALPHA, path=f"/{HERE}/libpq.so.5"),)


def test_libpython_is_found_wherever_the_interpreter_has_it() -> None:
    name = "libpython3.11.so.1.0"
    assert look(shared(name)) == [name]
    assert look(shared(name), base=glibc(**{f"opt/python/lib/{name}": shared()})) == []


def test_on_musl_its_own_names_are_given_and_glibcs_files_are_passed_over() -> None:
    base = BaseLibraries(libraries={"lib/libc.musl-x86_64.so.1": shared()}, directories=("lib", "usr/lib"))
    module = shared("libc.musl-x86_64.so.1", "libpthread.so.0", "libm.so.6", "libstdc++.so.6")
    assert look(module, base=base, libc="musl") == ["libstdc++.so.6"]
    assert look(shared("libc.so.6", "libnowhere.so.1"), base=base, libc="musl") == []
    assert look(module) == []


def test_what_a_distribution_is_known_to_do_without_is_not_missing() -> None:
    wheel = {"numba/np/ufunc/tbbpool.so": shared("libtbb.so.12")}
    assert missing({"numba-0.6-py3.whl": wheel}, glibc(), machine=AMD64, libc="glibc", site=SITE) == ()
    assert look(wheel) == ["libtbb.so.12"]
