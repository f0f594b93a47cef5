#!/bin/bash -eu
# Builds the fuzzers as OSS-Fuzz wants them: its compiler and flags, everything in $OUT, with seeds,
# words and options beside each. To try it without a container, in a
# checkout named onnxquant:
#
#   SRC=$(dirname "$PWD") WORK=/tmp/work OUT=/tmp/out CC=clang-14 CXX=clang++-14 \
#   CXXFLAGS='-O1 -gline-tables-only -fsanitize=address,fuzzer-no-link' SANITIZER=address \
#   LIB_FUZZING_ENGINE=-fsanitize=fuzzer fuzz/oss-fuzz/build.sh
project="$SRC/onnxquant"
mkdir -p "$WORK" "$OUT/lib"

# The system's libraries are of libstdc++.
export CXXFLAGS="${CXXFLAGS//-stdlib=libc++/} -DHWY_COMPILE_ONLY_STATIC"
export ONNXQUANT_CACHE="${ONNXQUANT_CACHE:-$WORK/cache}"
"$project/scripts/build_onnx.sh"
tools="$ONNXQUANT_CACHE/venv/bin"

"$tools/cmake" -S "$project" -B "$WORK/build" -G Ninja -DCMAKE_MAKE_PROGRAM="$tools/ninja" \
  -DCMAKE_BUILD_TYPE=None -DONNXQUANT_BUILD_FUZZERS=ON -DONNXQUANT_BUILD_TESTS=OFF \
  -DONNXQUANT_BUILD_TOOLS=OFF -DONNXQUANT_BUILD_BENCHMARKS=OFF -DONNXQUANT_WERROR=OFF \
  -DCMAKE_EXE_LINKER_FLAGS="-Wl,--disable-new-dtags,-rpath,'\$ORIGIN/lib'"
"$tools/cmake" --build "$WORK/build"
PYTHONPATH="$project/python" "$tools/python" -m onnxquant_tools.fuzz_seeds "$WORK/seeds"

for fuzzer in "$WORK"/build/bin/*_fuzzer; do
  name="$(basename "$fuzzer")"
  cp "$fuzzer" "$OUT/"
  # Fuzzers run where no package is installed.
  ldd "$fuzzer" | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' |
    grep -vE '/(libc|libm|libpthread|libdl|librt|ld-linux[^/]*)\.so' | xargs -r -I{} cp -n {} "$OUT/lib/"
  rm -f "$OUT/${name}_seed_corpus.zip"
  "$tools/python" -m zipfile -c "$OUT/${name}_seed_corpus.zip" "$WORK/seeds/$name"/*
  words="$project/fuzz/dictionaries/$name.dict"
  [ -e "$words" ] || words="$project/fuzz/dictionaries/model.dict"
  cp "$words" "$OUT/$name.dict"
  printf '[libfuzzer]\nmax_len = 16384\ntimeout = 10\n' >"$OUT/$name.options"
done
