# Reference answers from R for tests/golden/test_rates_references.py.
# Run in this folder: Rscript r_rates.R > r_rates.csv   (made with R 4.2.2, sandwich 3.0-2, MASS 7.3-58.2)
suppressMessages({library(sandwich); library(MASS)})
rows <- list()
add <- function(name, value, error = NA) rows[[length(rows) + 1]] <<- data.frame(name, value = signif(value, 12), error = signif(error, 12))

# Counts and times at risk by a rule that both programs can follow; two rows a customer.
i <- 0:299
happened <- (7 * i + 3 + i %/% 11) %% 5 + 6 * (i %% 37 == 0)
years <- 0.5 + 0.5 * (i %% 4)
cause <- i %% 2 + (i %/% 50) / 10
word <- factor(i %% 3)
who <- i %/% 2

errors <- function(fit) sqrt(diag(vcovCL(fit, cluster = who, type = "HC0", cadjust = TRUE)))
plain <- glm(happened ~ cause + word + offset(log(years)), poisson)
add("poisson", coef(plain)["cause"], errors(plain)["cause"])

mu <- fitted(plain)
spread <- sum((happened - mu)^2 - mu) / sum(mu^2)
wide <- glm(happened ~ cause + word + offset(log(years)), negative.binomial(1 / spread))
add("negative binomial", coef(wide)["cause"], errors(wide)["cause"])

flat <- lm(happened ~ cause + word)
add("difference", coef(flat)["cause"], errors(flat)["cause"])

# Chance of at least one new one among those drawn: one less the hypergeometric chance of none.
for (one in list(c(3, 5, 2), c(3, 12, 1), c(2, 4, 4), c(4, 4, 1))) {
  add(paste(one, collapse = " "), 1 - dhyper(0, one[3], one[2] - one[3], one[1]))
}
write.csv(do.call(rbind, rows), row.names = FALSE, quote = FALSE)
