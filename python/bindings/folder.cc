#include "python/bindings/folder.h"

#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "onnxquant/sessions.h"
#include "python/bindings/background.h"

namespace onnxquant::python {
namespace {

namespace py = pybind11;

// Name, path and options of each session, and what they agreed on.
py::tuple SessionsOf(const std::string& folder, const PlanOptions& options,
                     const std::vector<std::string>& choices) {
  const auto found = Await<FolderOptions>(
      [&](Course&) { return OptionsForFolder(folder, options, choices); }, py::none());
  py::list sessions;
  for (const SessionOptions& one : found.sessions) {
    sessions.append(py::make_tuple(one.session.name, one.session.path, one.options));
  }
  return py::make_tuple(sessions, found.agreed);
}

py::list Sessions(const std::string& folder) {
  const auto found =
      Await<std::vector<Session>>([&](Course&) { return FindSessions(folder); }, py::none());
  py::list sessions;
  for (const Session& session : found) sessions.append(py::make_tuple(session.name, session.path));
  return sessions;
}

std::vector<std::string> Models(const std::string& folder) {
  return Await<std::vector<std::string>>([&](Course&) { return FindModels(folder); }, py::none());
}

}  // namespace

void BindFolder(py::module_& module) {
  module.def("sessions_of", &SessionsOf, py::arg("folder"), py::arg("options"), py::arg("choices"));
  module.def("find_sessions", &Sessions, py::arg("folder"));
  module.def("find_models", &Models, py::arg("folder"));
}

}  // namespace onnxquant::python
