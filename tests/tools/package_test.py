#!/usr/bin/python3
"""The installed headers and library are found by find_package(outrider-usdt) and by pkg-config, and work from there."""

import os
import shutil

from tools import PROBES, need, read_notes, run, skip, work_directory

PROJECT = """
cmake_minimum_required(VERSION 3.16)
project(engine LANGUAGES C CXX)
find_package(outrider-usdt 0.1 REQUIRED)
add_executable(cxx cxx.cpp)
target_link_libraries(cxx PRIVATE outrider::headers)
target_compile_features(cxx PRIVATE cxx_std_17)
add_executable(abi abi.c)
target_link_libraries(abi PRIVATE outrider::usdt)
"""
CXX = ('#define OUTRIDER_PROVIDER engine\n#include <outrider/query.hpp>\n'
       'int main() { outrider::Query query{"factual"}; }\n')
ABI = ('#include <outrider/usdt_abi.h>\nint main(void) { outrider_usdt_query_end(outrider_usdt_query_begin("factual"));'
       " return outrider_usdt_abi_version() == 1 ? 0 : 1; }\n")


def write_project(directory):
    for name, text in (("CMakeLists.txt", PROJECT), ("cxx.cpp", CXX), ("abi.c", ABI)):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)


def check_find_package(prefix, directory):
    build = os.path.join(directory, "build")
    run(["cmake", "-S", directory, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}"])
    run(["cmake", "--build", build])
    run([os.path.join(build, "abi")])
    run([os.path.join(build, "cxx")])
    notes = read_notes(os.path.join(build, "cxx"))
    assert {n.name for n in notes} <= set(PROBES) and {n.provider for n in notes} == {"engine"}


def check_pkg_config(prefix, directory):
    libraries = next(root for root, _, files in os.walk(prefix) if "liboutrider-usdt.so" in files)
    environment = dict(os.environ, PKG_CONFIG_PATH=os.path.join(libraries, "pkgconfig"), LD_LIBRARY_PATH=libraries)
    define = [f"--define-variable=prefix={prefix}"]
    flags = run(["pkg-config", *define, "--cflags", "--libs", "outrider-usdt"], env=environment).split()
    run(["gcc", os.path.join(directory, "abi.c"), "-o", os.path.join(directory, "abi"), *flags])
    run([os.path.join(directory, "abi")], env=environment)
    flags = run(["pkg-config", *define, "--cflags", "--libs", "outrider-usdt-headers"], env=environment).split()
    run(["g++", "-std=c++17", os.path.join(directory, "cxx.cpp"), "-o", os.path.join(directory, "cxx"), *flags])
    run([os.path.join(directory, "cxx")])


def main():
    need("cmake", "gcc", "g++", "readelf")
    build = os.environ.get("OUTRIDER_BUILD", "")
    if not os.path.exists(os.path.join(build, "usdt", "lib", "liboutrider-usdt.so")):
        skip("liboutrider-usdt.so is not built; set OUTRIDER_BUILD to the build directory")
    with work_directory() as directory:
        prefix = os.path.join(directory, "prefix")
        run(["cmake", "--install", build, "--component", "usdt", "--prefix", prefix])
        write_project(directory)
        check_find_package(prefix, directory)
        checked = ["find_package"]
        if shutil.which("pkg-config"):
            check_pkg_config(prefix, directory)
            checked.append("pkg-config")
        print("an engine builds and runs through " + " and ".join(checked))


if __name__ == "__main__":
    main()
