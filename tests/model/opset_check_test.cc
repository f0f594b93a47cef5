#include "lib/model/opset_check.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/model/model.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

using Imports = std::vector<std::pair<std::string, std::int64_t>>;

onnx::ModelProto With(const Imports& imports) {
  onnx::ModelProto model;
  model.mutable_graph()->set_name("g");
  for (const auto& [domain, version] : imports) {
    onnx::OperatorSetIdProto& import = *model.add_opset_import();
    if (!domain.empty()) import.set_domain(domain);
    import.set_version(version);
  }
  return model;
}

std::string Refusal(const Imports& imports) {
  return std::string(Model::FromProto(With(imports), "m.onnx").status().message());
}

TEST(OpsetCheck, TakesOneVersionOfEachDomainHoweverOften) {
  EXPECT_TRUE(CheckOpsets(With({{"", 21}, {"com.microsoft", 1}, {"ai.onnx.ml", 3}})).ok());
  EXPECT_TRUE(CheckOpsets(With({{"", 21}, {"ai.onnx", 21}, {"", 21}})).ok());
}

TEST(OpsetCheck, RefusesADomainInTwoVersions) {
  EXPECT_THAT(Refusal({{"", 1}, {"", 15}}),
              HasSubstr("m.onnx: imports two opsets of ai.onnx, 1 and 15"));
  EXPECT_THAT(Refusal({{"", 21}, {"ai.onnx", 17}}), HasSubstr("two opsets of ai.onnx, 21 and 17"));
  EXPECT_THAT(Refusal({{"", 21}, {"x", 1}, {"x", 2}}), HasSubstr("two opsets of x, 1 and 2"));
}

// Cut to 32 bits it would be opset 21.
TEST(OpsetCheck, RefusesAVersionBelowOneAndOneThatNo32BitsHold) {
  EXPECT_THAT(Refusal({{"", (std::int64_t{1} << 32U) + 21}}), HasSubstr("4294967317 of ai.onnx"));
  EXPECT_THAT(Refusal({{"", -1}}), HasSubstr("opset -1 of ai.onnx"));
  EXPECT_THAT(Refusal({{"", 21}, {"x", 0}}), HasSubstr("opset 0 of x"));
}

}  // namespace
}  // namespace onnxquant
