// A Vulkan driver that passes everything on to Mesa's lavapipe, but with the vendor's and device's
// ids of SwiftShader: in software, Chromium offers WebGPU only on what looks like SwiftShader, its
// own adapter. That one has no half precision (shader-f16); lavapipe has.
//
// Chromium opens it in the place of libvk_swiftshader.so. DRIVER is lavapipe's path, given when
// this file is compiled (scripts/setup_browser.sh).
//
// Nothing else is changed. In particular the largest storage buffer binding stays 128 MiB, as on
// many users' devices, while a 262144 x 640 embedding in float16 takes 320 MiB.
#define VK_NO_PROTOTYPES
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <vulkan/vulkan.h>

#define EXPORT __attribute__((visibility("default")))

enum { kVendor = 0x1AE0, kDevice = 0xC0DE };

typedef PFN_vkVoidFunction (*FindFunction)(VkInstance, const char*);
typedef VkResult (*Negotiate)(uint32_t*);

static FindFunction driver_find, driver_find_physical;
static Negotiate driver_negotiate;
static PFN_vkGetPhysicalDeviceProperties driver_properties;
static PFN_vkGetPhysicalDeviceProperties2 driver_properties2;

__attribute__((constructor)) static void OpenDriver(void) {
  void* driver = dlopen(DRIVER, RTLD_NOW | RTLD_LOCAL);
  if (!driver) {
    fprintf(stderr, "vulkan_shim: %s\n", dlerror());
    return;
  }
  driver_find = (FindFunction)dlsym(driver, "vk_icdGetInstanceProcAddr");
  driver_find_physical = (FindFunction)dlsym(driver, "vk_icdGetPhysicalDeviceProcAddr");
  driver_negotiate = (Negotiate)dlsym(driver, "vk_icdNegotiateLoaderICDInterfaceVersion");
}

static void ChangeProperties(VkPhysicalDeviceProperties* properties) {
  properties->vendorID = kVendor;
  properties->deviceID = kDevice;
}

static VKAPI_ATTR void VKAPI_CALL GetProperties(VkPhysicalDevice device,
                                                VkPhysicalDeviceProperties* properties) {
  driver_properties(device, properties);
  ChangeProperties(properties);
}

static VKAPI_ATTR void VKAPI_CALL GetProperties2(VkPhysicalDevice device,
                                                 VkPhysicalDeviceProperties2* properties) {
  driver_properties2(device, properties);
  ChangeProperties(&properties->properties);
}

// Remembers the driver's function and returns ours for the few that we change.
static PFN_vkVoidFunction Replace(const char* name, PFN_vkVoidFunction found) {
#define REPLACE(vulkan_name, kept, ours) \
  if (strcmp(name, vulkan_name) == 0) {  \
    kept = (__typeof__(kept))found;      \
    return (PFN_vkVoidFunction)ours;     \
  }
  if (!found) return NULL;
  REPLACE("vkGetPhysicalDeviceProperties", driver_properties, GetProperties)
  REPLACE("vkGetPhysicalDeviceProperties2", driver_properties2, GetProperties2)
  REPLACE("vkGetPhysicalDeviceProperties2KHR", driver_properties2, GetProperties2)
#undef REPLACE
  return found;
}

EXPORT PFN_vkVoidFunction vk_icdGetInstanceProcAddr(VkInstance instance, const char* name) {
  return driver_find ? Replace(name, driver_find(instance, name)) : NULL;
}

EXPORT PFN_vkVoidFunction vk_icdGetPhysicalDeviceProcAddr(VkInstance instance, const char* name) {
  return driver_find_physical ? Replace(name, driver_find_physical(instance, name)) : NULL;
}

EXPORT VkResult vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t* version) {
  return driver_negotiate ? driver_negotiate(version) : VK_ERROR_INCOMPATIBLE_DRIVER;
}

// For those who open this file as if it were the Vulkan loader, as Chromium's Dawn does: without a
// loader in between, the driver's interface version is ours to agree on.
EXPORT PFN_vkVoidFunction vkGetInstanceProcAddr(VkInstance instance, const char* name) {
  static int agreed;
  if (strcmp(name, "vkGetInstanceProcAddr") == 0) return (PFN_vkVoidFunction)vkGetInstanceProcAddr;
  if (!agreed && driver_negotiate) {
    uint32_t version = 5;
    driver_negotiate(&version);
    agreed = 1;
  }
  return vk_icdGetInstanceProcAddr(instance, name);
}
