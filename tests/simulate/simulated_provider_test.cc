#include "lib/simulate/simulated_provider.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "onnx/onnx_pb.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

// Keeps what it is asked for; loads nothing.
class Asked {
 public:
  RunnerFactory Factory() {
    return [this](const ModelSource& source,
                  const RunnerOptions& options) -> absl::StatusOr<std::unique_ptr<Runner>> {
      source_ = source;
      options_ = options;
      return MakeError(ErrorKind::kVerify, "asked");
    };
  }
  ModelSource source_;
  RunnerOptions options_;
};

std::shared_ptr<const std::string> Model() {
  return std::make_shared<std::string>(ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float16[4] x) => (float16[4] y) { y = Exp(x) })")
                                           .SerializeAsString());
}

TEST(SimulatedProvider, RunsTheSimulatedModelUnoptimizedOnTheCpu) {
  Asked asked;
  RunnerOptions options;
  options.provider = kSimulatedProvider;
  options.threads = 3;
  const auto runner = WithSimulatedProvider(asked.Factory())({"folder/m.onnx", Model()}, options);
  EXPECT_THAT(std::string(runner.status().message()), HasSubstr("asked"));
  EXPECT_EQ(asked.options_.provider, "cpu");
  EXPECT_EQ(asked.options_.optimization, RunnerOptions::Optimization::kNone);
  EXPECT_EQ(asked.options_.threads, 3);
  EXPECT_EQ(asked.source_.path, "folder/m.onnx");
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(*asked.source_.bytes));
  EXPECT_EQ(model.graph().node_size(), 3);  // widen, compute, round
}

// Loads nothing, but has a signature as the model it is given.
class Signed : public Runner {
 public:
  explicit Signed(const onnx::GraphProto& graph) {
    for (const onnx::ValueInfoProto& input : graph.input()) {
      ValueSignature value = {input.name(), ElementType::kFloat16, {}};
      for (const auto& dim : input.type().tensor_type().shape().dim()) {
        value.dims.push_back({dim.has_dim_value() ? dim.dim_value() : -1, dim.dim_param()});
      }
      signature_.inputs.push_back(value);
    }
  }
  const Signature& signature() const override { return signature_; }
  absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const NamedTensor>,
                                          absl::Span<const std::string>) override {
    return std::vector<Tensor>();
  }

 private:
  Signature signature_;
};

TEST(SimulatedProvider, HidesSymbolsFromTheRuntimeAloneWhichPlansMemoryByThem) {
  std::string loaded;
  const RunnerFactory factory =
      [&](const ModelSource& source,
          const RunnerOptions&) -> absl::StatusOr<std::unique_ptr<Runner>> {
    onnx::ModelProto model;
    model.ParseFromString(*source.bytes);
    auto runner = std::make_unique<Signed>(model.graph());
    loaded = SignatureText(runner->signature().inputs[0]);
    return runner;
  };
  const auto model =
      std::make_shared<std::string>(ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float16[past, 4] x) => (float16[total, 4] y) { y = Exp(x) })")
                                        .SerializeAsString());
  RunnerOptions options;
  options.provider = kSimulatedProvider;
  const auto runner = WithSimulatedProvider(factory)({"m.onnx", model}, options);
  ASSERT_TRUE(runner.ok()) << runner.status();
  EXPECT_EQ(loaded, "float16[?, 4]");
  EXPECT_EQ(SignatureText((*runner)->signature().inputs[0]), "float16[past, 4]");
}

TEST(SimulatedProvider, HandsOtherProvidersOn) {
  Asked asked;
  RunnerOptions options;
  options.provider = "webgpu";
  const ModelSource source = {"m.onnx", Model()};
  EXPECT_FALSE(WithSimulatedProvider(asked.Factory())(source, options).ok());
  EXPECT_EQ(asked.options_.provider, "webgpu");
  EXPECT_EQ(asked.source_.bytes, source.bytes);
}

TEST(SimulatedProvider, NamesAFileThatIsNoModel) {
  RunnerOptions options;
  options.provider = kSimulatedProvider;
  Asked asked;
  const auto runner = WithSimulatedProvider(asked.Factory())({"none.onnx", nullptr}, options);
  EXPECT_EQ(KindOf(runner.status()), ErrorKind::kModel);
  EXPECT_THAT(std::string(runner.status().message()),
              HasSubstr("none.onnx: cannot be opened: No such file"));
}

}  // namespace
}  // namespace onnxquant
