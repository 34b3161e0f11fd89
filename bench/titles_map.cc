/* SPDX-License-Identifier: MIT
 *
 * The yardstick of bench/titles.c: a std::unordered_map over the same titles. The only C++ of the
 * project, behind three C functions.
 */
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

static std::unordered_map<std::string, uint32_t> entries;
static std::vector<std::string> questions;

extern "C" void map_add(const char *title, size_t length, uint32_t entry)
{
    entries.emplace(std::string(title, length), entry);
}

extern "C" void map_ask_later(const char *title, size_t length)
{
    questions.emplace_back(title, length);
}

/* The sum of the entries of questions first .. last - 1, strings made beforehand. */
extern "C" uint64_t map_find(size_t first, size_t last)
{
    uint64_t sum = 0;
    for (size_t i = first; i < last; i++)
        sum += entries.find(questions[i])->second;
    return sum;
}
