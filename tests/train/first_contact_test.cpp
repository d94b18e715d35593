// What a first program writes: empty braces for all arguments, expressions for tensors.

#include <string>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/seqgrad.hpp"

using namespace seqgrad;

namespace {

template <class... X>
constexpr bool take_empty_braces = (requires { X({}); } && ...);

template <class T>
constexpr bool optimizers_do = take_empty_braces<Adadelta<T>, Adagrad<T>, Adam<T>, Adamax<T>, AdamW<T>,
                                                 Ftrl<T>, Lion<T>, Nadam<T>, RMSprop<T>, SGD<T>>;
template <class T>
constexpr bool layers_do =
    take_empty_braces<ActivationLayer<T>, AdditiveAttention<T>, Attention<T>, BahdanauAttention<T>, Dense<T>,
                      Dropout<T>, Embedding<T>, Flatten<T>, GRU<T>, GRUCell<T>, InputLayer<T>, LSTM<T>,
                      LSTMCell<T>, LayerNormalization<T>, LuongAttention<T>, Masking<T>,
                      MultiHeadAttention<T>, RepeatVector<T>, SimpleRNN<T>, SimpleRNNCell<T>>;

static_assert(optimizers_do<float> && optimizers_do<double>);
static_assert(layers_do<float> && layers_do<double>);
static_assert(take_empty_braces<ExponentialDecay, PiecewiseConstantDecay, PolynomialDecay, InverseTimeDecay,
                                CosineDecay, CosineDecayRestarts, OneCycle>,
              "schedules");
static_assert(
    take_empty_braces<BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy,
                      KLDivergence, CTC, MeanSquaredError, MeanAbsoluteError, MeanAbsolutePercentageError,
                      MeanSquaredLogarithmicError, Huber, LogCosh, CosineSimilarity>,
    "losses");
static_assert(take_empty_braces<BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy,
                                TopKCategoricalAccuracy, SparseTopKCategoricalAccuracy, Accuracy, Precision,
                                Recall, F1Score, RootMeanSquaredError, R2Score, Perplexity, BitsPerCharacter>,
              "metrics");
static_assert(take_empty_braces<BackupAndRestore, EarlyStopping, ModelCheckpoint, ReduceLROnPlateau,
                                LearningRateScheduler, CSVLogger, TensorBoard, TerminateOnNaN,
                                StopOnInterrupt, LambdaCallback<float>>,
              "callbacks");
static_assert(
    take_empty_braces<Zeros, Ones, Constant, RandomUniform, RandomNormal, TruncatedNormal, VarianceScaling,
                      GlorotUniform, GlorotNormal, HeUniform, HeNormal, LecunUniform, LecunNormal, Orthogonal,
                      Identity, OrthogonalRegularizer, MaxNorm, NonNeg, UnitNorm, MinMaxNorm>,
    "initializers, regularizers and constraints");
static_assert(take_empty_braces<StandardScaler, CharacterVocabulary, WordVocabulary, CsvTable>, "data");
static_assert(take_empty_braces<CsvOptions, CsvSeriesOptions, WindowOptions, CsvWindowOptions, DateFormat,
                                DatePairsOptions, WordOptions, WordVocabularyOptions, SearchConfig,
                                SaveOptions, LoadOptions, LoadLimits, FitOptions<float>,
                                LearningRateFinderOptions, ProgressOptions, ReduceOptions>,
              "options");

}  // namespace

TEST_CASE("empty braces stand for the defaults") {
    CHECK(Adam<float>({}).config().epsilon == Adam<float>().config().epsilon);
    CHECK(SGD<float>({}).type() == "SGD");
    Attention<float> attention({});
    CHECK_FALSE(attention.config().use_scale);
    CHECK(Masking<double>({}).config().mask_value == 0);
    // Arguments still go where they did.
    CHECK(Adam<double>({.beta_1 = 0.5}).config().beta_1 == 0.5);
    const AdamConfig config{.beta_2 = 0.75};
    CHECK(Adam<float>(config).config().beta_2 == 0.75);
    const Masking<float> masking{{.mask_value = 3}};
    CHECK(masking.config().mask_value == 3);
    CHECK_THROWS_AS(Dense<float>({}), ValueError);
}

TEST_CASE("a vocabulary of a list of texts is one of all of them") {
    // A pair of texts is not the range between two pointers, as it would be to std::string_view.
    CHECK(CharacterVocabulary({"ab", "ca"}).characters() == std::vector<std::string>{"a", "b", "c"});
    CHECK(CharacterVocabulary({"ab"}).size() == 3);
    CHECK(CharacterVocabulary({}).size() == 1);
    CHECK(WordVocabulary({"b a", "b"}).words() == std::vector<std::string>{"b", "a"});
    CHECK(WordVocabulary({"b a", "b"}, {.max_tokens = 3}).words() == std::vector<std::string>{"b"});
    CHECK(WordVocabulary({}).size() == 2);
}

TEST_CASE("constants and parameters are made of expressions") {
    Generator random(1), again(1);
    const auto x = constant(0.5F * random.normal<float>({2, 3}));
    static_assert(std::is_same_v<decltype(x), const Variable<float>>);
    const Tensor<float> drawn = again.normal<float>({2, 3});
    CHECK(x.value() == Tensor<float>(0.5F * drawn));
    CHECK_FALSE(x.requires_grad());
    const auto w = parameter(drawn + 1.0);
    static_assert(std::is_same_v<decltype(w), const Variable<double>>);
    CHECK(w.requires_grad());
    CHECK(w.value()(1, 2) == static_cast<double>(drawn(1, 2)) + 1.0);
    CHECK(constant(drawn).value() == drawn);
}

TEST_CASE("an empty tensor has its shape and is there to be written") {
    Tensor<float> x = empty<float>({2, 3});
    CHECK(x.shape() == Shape{2, 3});
    for (float& v : elements(x)) v = 7;
    CHECK(x == full<float>({2, 3}, 7.0F));
    CHECK(empty<double>({}).size() == 1);
}
