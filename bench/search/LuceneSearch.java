// SPDX-License-Identifier: MIT
// Lucene's side of bench/search/run.py; contenders.py has the protocol.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.lucene.analysis.core.WhitespaceAnalyzer;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.TextField;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.Term;
import org.apache.lucene.search.BooleanClause;
import org.apache.lucene.search.BooleanQuery;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.PhraseQuery;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.TermQuery;
import org.apache.lucene.search.TopScoreDocCollector;
import org.apache.lucene.search.similarities.BM25Similarity;
import org.apache.lucene.store.MMapDirectory;

public final class LuceneSearch {
    private static final String FIELD = "text";
    private static final String NAME = "name";
    private static final int TOP = 10;

    private static void build(String pages, String index) throws IOException {
        IndexWriterConfig config = new IndexWriterConfig(new WhitespaceAnalyzer());
        config.setSimilarity(new BM25Similarity(1.2f, 0.75f));
        config.setRAMBufferSizeMB(256);
        config.setUseCompoundFile(false);
        try (IndexWriter writer = new IndexWriter(new MMapDirectory(Path.of(index)), config);
                BufferedReader lines = Files.newBufferedReader(Path.of(pages))) {
            TextField field = new TextField(FIELD, "", Field.Store.NO);
            Document document = new Document();
            TextField name = new TextField(NAME, "", Field.Store.NO);
            document.add(field);
            document.add(name);
            int number = 0;
            for (String line; (line = lines.readLine()) != null;) {
                field.setStringValue(line);
                name.setStringValue("p" + ++number); // the title, which forklore searches as well
                writer.addDocument(document);
            }
            writer.forceMerge(1);
        }
    }

    private static Query query(String kind, String[] words) {
        if (kind.equals("PHRASE")) {
            return new PhraseQuery(FIELD, words);
        }
        BooleanQuery.Builder builder = new BooleanQuery.Builder();
        for (String word : words) {
            builder.add(new TermQuery(new Term(FIELD, word)),
                    kind.equals("AND") ? BooleanClause.Occur.MUST : BooleanClause.Occur.SHOULD);
        }
        return builder.build();
    }

    private static void search(IndexSearcher searcher, Query query) throws IOException {
        TopScoreDocCollector collector = TopScoreDocCollector.create(TOP, TOP);
        searcher.search(query, collector);
        collector.topDocs();
    }

    private static void serve(String index, String queries) throws IOException {
        List<String> lines = Files.readAllLines(Path.of(queries));
        IndexSearcher searcher =
                new IndexSearcher(DirectoryReader.open(new MMapDirectory(Path.of(index))));
        searcher.setSimilarity(new BM25Similarity(1.2f, 0.75f));
        searcher.setQueryCache(null);
        BufferedReader orders = new BufferedReader(new InputStreamReader(System.in));
        for (String order; (order = orders.readLine()) != null;) {
            String kind = order.split(" ")[0];
            int rounds = Integer.parseInt(order.split(" ")[1]);
            List<Query> wanted = new ArrayList<>();
            for (String line : lines) {
                String[] parts = line.split("\t");
                if (parts[0].equals(kind)) {
                    wanted.add(query(kind, parts[1].split(" ")));
                }
            }
            StringBuilder hits = new StringBuilder();
            for (Query query : wanted) {
                hits.append(hits.length() == 0 ? "" : ", ").append(searcher.count(query));
            }
            long[] best = new long[wanted.size()];
            Arrays.fill(best, Long.MAX_VALUE);
            for (int round = 0; round <= rounds; round++) {
                for (int i = 0; i < best.length; i++) {
                    long before = System.nanoTime();
                    search(searcher, wanted.get(i));
                    long took = System.nanoTime() - before;
                    if (round > 0) { // the first warms up
                        best[i] = Math.min(best[i], took);
                    }
                }
            }
            System.out.println(
                    "{\"best_ns\": " + Arrays.toString(best) + ", \"hits\": [" + hits + "]}");
        }
    }

    public static void main(String[] arguments) throws IOException {
        if (arguments[0].equals("build")) {
            build(arguments[1], arguments[2]);
        } else {
            serve(arguments[1], arguments[2]);
        }
    }
}
