#include <nanobind/nanobind.h>

namespace nb = nanobind;

void bind_features(nb::module_& m);
void bind_search(nb::module_& m);

NB_MODULE(_native, m) {
  m.doc() = "The native core of sonant: flat arrays in, flat arrays out; every call drops the GIL.";
  bind_features(m);
  bind_search(m);
}
