#include "tools/commands.h"

namespace onnxquant::cli {

absl::Span<const CommandRow> Commands() {
  static constexpr CommandRow kRows[] = {
      {"plan", "Print every decision and exact sizes; write nothing", NewPlan},
      {"apply", "Carry out a saved plan: all of it, or one part of many on many machines",
       NewApply},
      {"inspect", "Show what is in a model", NewInspect},
      {"check", "Say what is wrong with a model, and which command mends it", NewCheck},
      {"diff", "Compare two models: in words what matters, then all that differs", NewDiff},
      {"ranges", "Measure what every float value comes to, and what float16 cannot hold",
       NewRanges},
      {"calibrate", "Sum up what the products of a model read, for methods that choose codes by it",
       NewCalibrate},
      {"tune", "Choose each weight's format for a size, or a loss, and write that as a policy",
       NewTune},
      {"verify", "Run candidates against a reference and measure how far they part", NewVerify},
      {"recover", "Finish, or take back, what a run that was killed left half-written in a folder",
       NewRecover},
      {"policies", "List the built-in policies, or print one", NewPolicies},
      {"formats", "List the formats of weights: what reads them, where they run", NewFormats},
      {"targets", "List the places where models run, and what they lack", NewTargets},
      {"completion", "Print a script that lets bash, zsh or fish complete this command line",
       NewCompletion},
  };
  return kRows;
}

}  // namespace onnxquant::cli
