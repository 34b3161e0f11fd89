// SPDX-License-Identifier: MIT
// Xapian's side of bench/search/run.py; contenders.py has the protocol.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>
#include <xapian.h>

static const Xapian::doccount TOP = 10;

static std::vector<std::string> split(const std::string &text)
{
    std::istringstream in(text);
    std::vector<std::string> words;
    for (std::string word; in >> word;)
        words.push_back(word);
    return words;
}

static void build(const char *pages, const char *index)
{
    Xapian::WritableDatabase database(index, Xapian::DB_CREATE_OR_OVERWRITE);
    std::ifstream lines(pages);
    for (std::string line; std::getline(lines, line);) {
        Xapian::Document document;
        Xapian::termpos position = 0;
        for (const std::string &word : split(line))
            document.add_posting(word, ++position);
        database.add_document(document);
    }
    database.commit();
    database.compact(std::string(index) + ".compact", Xapian::DBCOMPACT_SINGLE_FILE);
}

static Xapian::Query make_query(const std::string &kind, const std::vector<std::string> &words)
{
    auto op = kind == "OR"    ? Xapian::Query::OP_OR
              : kind == "AND" ? Xapian::Query::OP_AND
                              : Xapian::Query::OP_PHRASE;
    return Xapian::Query(op, words.begin(), words.end());
}

static void serve(const char *index, const char *queries)
{
    Xapian::Database database(std::string(index) + ".compact");
    Xapian::Enquire enquire(database);
    enquire.set_weighting_scheme(Xapian::BM25Weight(1.2, 0, 1, 0.75, 0));
    std::vector<std::string> lines;
    std::ifstream in(queries);
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    std::string kind;
    for (int rounds; std::cin >> kind >> rounds;) {
        std::vector<Xapian::Query> wanted;
        for (const std::string &line : lines)
            if (line.substr(0, line.find('\t')) == kind)
                wanted.push_back(make_query(kind, split(line.substr(line.find('\t')))));
        std::vector<long long> best(wanted.size(), INT64_MAX);
        for (int round = 0; round <= rounds; round++) {
            for (size_t i = 0; i < wanted.size(); i++) {
                auto before = std::chrono::steady_clock::now();
                enquire.set_query(wanted[i]);
                enquire.get_mset(0, TOP);
                std::chrono::nanoseconds took = std::chrono::steady_clock::now() - before;
                if (round > 0) // the first warms up
                    best[i] = std::min<long long>(best[i], took.count());
            }
        }
        std::cout << "{\"best_ns\": [";
        for (size_t i = 0; i < best.size(); i++)
            std::cout << (i ? ", " : "") << best[i];
        std::cout << "], \"hits\": [";
        for (size_t i = 0; i < wanted.size(); i++) {
            enquire.set_query(wanted[i]);
            Xapian::MSet all = enquire.get_mset(0, 0, database.get_doccount());
            std::cout << (i ? ", " : "") << all.get_matches_estimated();
        }
        std::cout << "]}" << std::endl;
    }
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    try {
        std::string(argv[1]) == "build" ? build(argv[2], argv[3]) : serve(argv[2], argv[3]);
    } catch (const Xapian::Error &error) {
        std::cerr << error.get_description() << '\n';
        return 1;
    }
}
