// A JSON Schema of policy files, for editors that complete words and mark what is wrong.
#ifndef ONNXQUANT_LIB_POLICY_POLICY_SCHEMA_H_
#define ONNXQUANT_LIB_POLICY_POLICY_SCHEMA_H_

#include <string>

namespace onnxquant {

// Of draft 2020-12; made of the tables of formats, parameters, roles, hazards and dtypes. It knows
// what may be said and where, not what contradicts what.
std::string PolicySchema();

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_POLICY_SCHEMA_H_
