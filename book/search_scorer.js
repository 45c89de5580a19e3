// A page of prose is found before chapters made from tables, and those before executed notebooks.
// The other values are those of Sphinx.
var Scorer = {
  score: ([page, , , , score]) => score - (/^book\/run\//.test(page) ? 100 : /^book\/(studies\/|results$)/.test(page) ? 50 : 0),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
