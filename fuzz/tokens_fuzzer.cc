// Reads any file as tokens: NumPy's format, JSON Lines or text, by the first byte; and as the
// configuration that names the first token.
#include "fuzz/require.h"
#include "fuzz/scratch_folder.h"
#include "lib/runtime/tokens.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace onnxquant::fuzz;
  if (size == 0) return 0;
  const char* const names[] = {"tokens.npy", "tokens.jsonl", "tokens.txt"};
  const std::string path = ScratchFile(names[data[0] % 3], data + 1, size - 1);
  auto tokens = onnxquant::ReadTokens(path);
  RequireToldWell(tokens.status());
  if (tokens.ok()) {
    Require(onnxquant::CountTokens(*tokens) > 0, "some tokens");
    RequireToldWell(onnxquant::CheckTokens(*tokens, 1000, path));
    onnxquant::LimitTokens(*tokens, 3);
    Require(onnxquant::CountTokens(*tokens) <= 3, "no more tokens than were asked for");
  }
  (void)ScratchFile("config.json", data + 1, size - 1);
  (void)onnxquant::StartToken(ScratchFolder() + "/model.onnx");
  return 0;
}
