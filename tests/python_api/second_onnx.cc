// An extension that embeds its own copy of onnx on the system's libprotobuf, as another exporter
// might: two copies that share one libprotobuf would end the process.
#include <pybind11/pybind11.h>

#include <string>

#include "onnx/checker.h"
#include "onnx/defs/parser.h"

PYBIND11_MODULE(second_onnx, module) {
  module.def("nodes", [](const std::string& text) {
    onnx::ModelProto model;
    const auto status = onnx::OnnxParser::Parse(model, text.c_str());
    if (!status.IsOK()) throw std::runtime_error(status.ErrorMessage());
    onnx::checker::check_model(model);
    return model.graph().node_size();
  });
}
