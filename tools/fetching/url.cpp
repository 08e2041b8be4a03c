#include "url.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <new>
#include <utility>

#include "failure.hpp"

namespace fetching {
namespace {

using parsed_url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

[[noreturn]] void refuse(const std::string& url, std::string_view reason) {
  throw failure(exit_status::usage, fmt::format("cannot use URL '{}': {}", url, reason));
}

parsed_url parse(const std::string& url) {
  parsed_url parsed(curl_url(), &curl_url_cleanup);
  if (parsed == nullptr) throw std::bad_alloc();
  const CURLUcode code = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME);
  if (code != CURLUE_OK) refuse(url, curl_url_strerror(code));
  return parsed;
}

/// Empty when the URL has no such part, or one that can't be decoded (control characters).
std::string part(const parsed_url& parsed, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(parsed.get(), which, &text, flags) != CURLUE_OK) return {};
  const std::unique_ptr<char, decltype(&curl_free)> owned(text, &curl_free);
  return text;
}

bool harmless(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("._-+=@").find(c) != std::string_view::npos;
}

}  // namespace

void check_url(const std::string& url) {
  if (const auto nul = url.find('\0'); nul != std::string::npos) refuse(url.substr(0, nul), "it has a NUL byte");
  const parsed_url parsed = parse(url);
  const std::string scheme = part(parsed, CURLUPART_SCHEME);
  if (scheme != "https" && scheme != "http" && scheme != "file") {
    refuse(url, fmt::format("'{}' is not supported; use https, http or file", scheme));
  }
  if (!part(parsed, CURLUPART_USER).empty() || !part(parsed, CURLUPART_PASSWORD).empty()) {
    refuse(url, "it holds a user name or password, which the cache would keep; use a URL without them");
  }
}

std::string scheme_of(const std::string& url) {
  return part(parse(url), CURLUPART_SCHEME);
}

std::string path_of(const std::string& url) {
  return part(parse(url), CURLUPART_PATH, CURLU_URLDECODE);
}

std::string file_name_of(const std::string& url) {
  std::string path = path_of(url);
  path.erase(0, path.rfind('/') + 1);
  std::ranges::replace_if(path, [](char c) { return !harmless(c); }, '_');
  if (path.size() > 128) path.erase(0, path.size() - 128);  // the end says more, and keeps the suffix
  if (path.empty()) return "data";
  if (path.front() == '.' || path.front() == '-') path.front() = '_';
  return path;
}

}  // namespace fetching
