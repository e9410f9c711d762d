#include "usdt/example/data_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "usdt/example/rng.h"

namespace outrider::example {

namespace {

constexpr size_t kBlock = 1 << 20;

/// Random content: a disk that compresses or skips zeroes would answer a cold read too fast.
Status fill(int fd, size_t bytes) {
  std::vector<uint64_t> block(kBlock / sizeof(uint64_t));
  Rng rng(bytes, 1);
  for (size_t done = 0; done < bytes;) {
    for (uint64_t& word : block) word = rng.next();
    const ssize_t written = ::write(fd, block.data(), std::min(kBlock, bytes - done));
    if (written < 0) return Error::from_errno(errno, "cannot fill the data file");
    done += static_cast<size_t>(written);
  }
  if (::fdatasync(fd) != 0) return Error::from_errno(errno, "cannot flush the data file");
  return Ok{};
}

}  // namespace

Result<DataFile> DataFile::make(const std::string& directory, uint32_t labels, size_t cold_bytes) {
  std::string path = directory + "/graph-engine-XXXXXX";
  DataFile file;
  file.fd_ = Fd(::mkostemp(path.data(), O_CLOEXEC));
  if (!file.fd_.valid()) {
    return Error::from_errno(errno,
                             fmt::format("cannot create the data file in {} (choose with --data-dir)", directory));
  }
  ::unlink(path.c_str());
  // Labels are read through the page cache with read-ahead; the gap keeps that away from the cold space.
  file.cold_begin_ = (labels * kLabelBytes / kBlock + 2) * kBlock;
  file.cold_bytes_ = cold_bytes;
  const size_t bytes = cold_bytes > 0 ? file.cold_begin_ + cold_bytes : labels * kLabelBytes;
  if (const Status filled = fill(file.fd_.get(), bytes); !filled) return filled.error();
  return file;
}

DataFile::Label DataFile::read_label(uint32_t node) const {
  Label label{};
  const ssize_t got = ::pread(fd_.get(), label.data(), label.size(), static_cast<off_t>(node) * kLabelBytes);
  if (got != static_cast<ssize_t>(label.size())) label.fill(0);
  return label;
}

Result<Fd> DataFile::open_direct() const {
  Fd direct(::open(fmt::format("/proc/self/fd/{}", fd_.get()).c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  if (!direct.valid()) return Error::from_errno(errno, "the data file cannot be opened with O_DIRECT");
  return direct;
}

}  // namespace outrider::example
